"""`hive demo`: a fleet of scripted agents with a repository, a backlog and a maintainer of its own."""
