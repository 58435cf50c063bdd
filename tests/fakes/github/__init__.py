"""A GitHub for tests and demos: REST, GraphQL and git over HTTP, with limits, faults and an audit."""
