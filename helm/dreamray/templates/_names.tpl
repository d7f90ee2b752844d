{{/* Names. All that the chart makes is named here, and nowhere else. */}}

{{- define "dreamray.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* KubeRay derives the name of the service from that of the cluster. */}}
{{- define "dreamray.headService" -}}
{{ include "dreamray.fullname" . }}-head-svc
{{- end -}}

{{- define "dreamray.jobServer" -}}
http://{{ include "dreamray.headService" . }}:8265
{{- end -}}

{{- define "dreamray.tokenSecret" -}}
{{- default (printf "%s-token" (include "dreamray.fullname" .)) .Values.auth.existingSecret -}}
{{- end -}}

{{/* Service account of a component: head, worker, submitter or launcher. */}}
{{- define "dreamray.serviceAccount" -}}
{{- $name := .root.Values.serviceAccount.name -}}
{{- if and $name (has .component (list "head" "worker")) -}}
{{- $name -}}
{{- else if .root.Values.serviceAccount.create -}}
{{- printf "%s-%s" (include "dreamray.fullname" .root) .component -}}
{{- else -}}
default
{{- end -}}
{{- end -}}

{{- define "dreamray.weightsClaim" -}}
{{- default (printf "%s-weights" (include "dreamray.fullname" .)) .Values.weights.volume.existingClaim -}}
{{- end -}}

{{/* Of a schedule: its CronJob, and the ConfigMap with its RayJob. */}}
{{- define "dreamray.scheduleName" -}}
{{ include "dreamray.fullname" .root }}-{{ .schedule.name }}
{{- end -}}

{{- define "dreamray.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end -}}
{{- end -}}
{{- end -}}
