"""Stand-ins for what is outside dreamray: proxies, Kubernetes, KubeRay, kubelets."""
