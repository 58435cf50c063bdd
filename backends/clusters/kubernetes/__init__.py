"""The Kubernetes cluster: runs are Jobs, and what is true stands in custom resources and Leases."""
