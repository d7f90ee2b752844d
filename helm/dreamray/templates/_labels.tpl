{{/* Labels. `app.kubernetes.io/name` of Ray's pods is KubeRay's: its services select by it. */}}

{{/* Of all objects. */}}
{{- define "dreamray.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{ include "dreamray.selector" . }}
{{- end -}}

{{/* Of all pods, and what selects them. */}}
{{- define "dreamray.selector" -}}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/part-of: dreamray
{{- end -}}

{{/* Of the pods of a component: head, worker, submitter or launcher. */}}
{{- define "dreamray.componentSelector" -}}
{{ include "dreamray.selector" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* Of head and workers of one cluster: `farm`, or `schedule-NAME`. */}}
{{- define "dreamray.clusterSelector" -}}
{{ include "dreamray.selector" .root }}
dreamray/cluster: {{ .cluster }}
{{- end -}}
