"""Stand-ins for what fails when it is told to: a proxy, and the API of Kubernetes."""
