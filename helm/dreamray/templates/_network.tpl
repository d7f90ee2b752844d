{{/* Ports of network policies. */}}

{{/* Those that nodes of a Ray cluster use among themselves. */}}
{{- define "dreamray.rayPorts" -}}
{{- $ports := include "dreamray.ports" . | fromYaml -}}
{{- range $name := list "gcs" "nodeManager" "objectManager" "agentGrpc" "agentHttp" -}}
- {port: {{ get $ports $name }}, protocol: TCP}
{{ end -}}
- {port: {{ $ports.firstWorker }}, endPort: {{ $ports.lastWorker }}, protocol: TCP}
- {port: {{ $ports.firstExchange }}, endPort: {{ $ports.lastExchange }}, protocol: TCP}
{{- end -}}

{{- define "dreamray.s3Port" -}}
{{- $url := urlParse (default "https://s3.amazonaws.com" .Values.s3.endpoint) -}}
{{- $port := regexFind ":[0-9]+$" $url.host | trimPrefix ":" -}}
{{- default (eq $url.scheme "http" | ternary "80" "443") $port -}}
{{- end -}}
