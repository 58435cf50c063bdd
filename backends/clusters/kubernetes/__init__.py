"""The Kubernetes cluster: runs are Jobs, and what is true stands in custom resources and Leases.

Empty, since the server in an agent's container (`box.server`) loads this package, too.
"""
