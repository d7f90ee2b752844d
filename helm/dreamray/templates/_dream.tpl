{{/* What those who dream have, head and workers: storage, weights, volumes of the user's. */}}

{{/* What those who dream need to know. */}}
{{- define "dreamray.dreamEnv" -}}
{{- with .Values.s3 }}
{{- with .endpoint }}
- {name: AWS_ENDPOINT_URL_S3, value: {{ . | quote }}}
{{- end }}
{{- with .region }}
- {name: AWS_REGION, value: {{ . | quote }}}
{{- end }}
{{- if .existingSecret }}
- name: AWS_ACCESS_KEY_ID
  valueFrom:
    secretKeyRef: {name: {{ .existingSecret | quote }}, key: {{ .accessKeyIdKey | quote }}}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom:
    secretKeyRef: {name: {{ .existingSecret | quote }}, key: {{ .secretAccessKeyKey | quote }}}
{{- end }}
{{- end }}
{{- if include "dreamray.hasCa" . }}
- {name: AWS_CA_BUNDLE, value: /etc/dreamray/ca/ca.crt}
{{- end }}
{{- if eq .Values.weights.source "uri" }}
- {name: DREAMRAY_WEIGHTS, value: {{ .Values.weights.uri | quote }}}
{{- else if eq .Values.weights.source "volume" }}
- {name: DREAMRAY_WEIGHTS, value: imagenet}
- {name: KERAS_HOME, value: /var/cache/dreamray}
{{- end }}
{{- end -}}

{{- define "dreamray.dreamMounts" -}}
{{- if include "dreamray.hasCa" . }}
- {name: ca, mountPath: /etc/dreamray/ca, readOnly: true}
{{- end }}
{{- if eq .Values.weights.source "volume" }}
- {name: weights, mountPath: /var/cache/dreamray}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "dreamray.dreamVolumes" -}}
{{- if include "dreamray.hasCa" . }}
- name: ca
  {{- with .Values.ca }}
  {{- if .configMap }}
  configMap:
    name: {{ .configMap | quote }}
  {{- else }}
  secret:
    secretName: {{ .secret | quote }}
  {{- end }}
    items:
      - {key: {{ .key | quote }}, path: ca.crt}
  {{- end }}
{{- end }}
{{- if eq .Values.weights.source "volume" }}
- name: weights
  persistentVolumeClaim:
    claimName: {{ include "dreamray.weightsClaim" . | quote }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "dreamray.hasCa" -}}
{{- if or .Values.ca.configMap .Values.ca.secret -}}yes{{- end -}}
{{- end -}}
