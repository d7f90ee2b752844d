{{/*
Pods. One template for head, workers, submitters of every kind, and the test.

Takes a dict:
  root               the chart's context
  component          head, worker, submitter or launcher
  cluster            label of the Ray cluster that head and workers belong to
  container          name of the container
  placement          values with resources, nodeSelector, tolerations, affinity, ...
  command, args      of the container; KubeRay gives its own where there are none
  env                list of more variables
  kuberays           whether KubeRay fills in the container, as it does a submitter's
  ports              list of container ports
  volumes, mounts    lists of more volumes
  restartPolicy, terminationGracePeriodSeconds
*/}}
{{- define "dreamray.podTemplate" -}}
{{- $values := .root.Values -}}
{{- $rays := has .component (list "head" "worker") -}}
metadata:
  labels:
    {{- include "dreamray.componentSelector" . | nindent 4 }}
    {{- with .cluster }}
    dreamray/cluster: {{ . }}
    {{- end }}
    {{- with $values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "dreamray.serviceAccount" . | quote }}
  # Where the Kubernetes API is needed, a token is mounted into the one container that needs it.
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with .restartPolicy }}
  restartPolicy: {{ . }}
  {{- end }}
  {{- with .terminationGracePeriodSeconds }}
  terminationGracePeriodSeconds: {{ . }}
  {{- end }}
  securityContext:
    {{- include "dreamray.podSecurity" .root | nindent 4 }}
  {{- with $values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . | quote }}
    {{- end }}
  {{- end }}
  {{- with .placement.priorityClassName }}
  priorityClassName: {{ . | quote }}
  {{- end }}
  {{- with .placement.runtimeClassName }}
  runtimeClassName: {{ . | quote }}
  {{- end }}
  {{- with .placement.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .placement.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .placement.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ .container }}
      image: {{ include "dreamray.image" .root | quote }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      securityContext:
        {{- include "dreamray.containerSecurity" . | nindent 8 }}
      {{- with .command }}
      command:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .args }}
      args:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      env:
        {{- include "dreamray.commonEnv" .root | nindent 8 }}
        {{- if not .kuberays }}
        {{- include "dreamray.unbuffered" . | nindent 8 }}
        {{- end }}
        {{- if ne .component "launcher" }}
        {{- include "dreamray.tokenEnv" .root | nindent 8 }}
        {{- end }}
        {{- if $rays }}
        {{- with include "dreamray.dreamEnv" .root }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- end }}
        {{- with .env }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        {{- if $rays }}
        {{- with $values.env }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        {{- end }}
      {{- with .ports }}
      ports:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      resources:
        {{- toYaml .placement.resources | nindent 8 }}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        {{- if $rays }}
        {{- with include "dreamray.dreamMounts" .root }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- end }}
        {{- with .mounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: tmp
      emptyDir:
        {{- include "dreamray.tmpVolume" .root | nindent 8 }}
    {{- if $rays }}
    {{- with include "dreamray.dreamVolumes" .root }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- end }}
    {{- with .volumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{- define "dreamray.tmpVolume" -}}
{{- with .Values.storage.tmpSize -}}
sizeLimit: {{ . }}
{{- else -}}
{}
{{- end -}}
{{- end -}}

{{- define "dreamray.podSecurity" -}}
runAsNonRoot: true
{{- with .Values.podSecurity }}
{{- if not (kindIs "invalid" .runAsUser) }}
runAsUser: {{ .runAsUser | int64 }}
runAsGroup: {{ .runAsUser | int64 }}
{{- end }}
{{- if not (kindIs "invalid" .fsGroup) }}
fsGroup: {{ .fsGroup | int64 }}
fsGroupChangePolicy: OnRootMismatch
{{- end }}
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "dreamray.containerSecurity" -}}
runAsNonRoot: true
readOnlyRootFilesystem: true
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* All that is written goes below /tmp, the one place beside /dev/shm that can be written. */}}
{{- define "dreamray.commonEnv" -}}
- {name: HOME, value: /tmp}
- {name: RAY_USAGE_STATS_ENABLED, value: "0"}
{{- end -}}

{{/* So that logs come as they are written. KubeRay sets it in its submitters itself. */}}
{{- define "dreamray.unbuffered" -}}
- {name: PYTHONUNBUFFERED, value: "1"}
{{- end -}}

{{- define "dreamray.tokenEnv" -}}
- {name: RAY_AUTH_MODE, value: token}
- name: RAY_AUTH_TOKEN
  valueFrom:
    secretKeyRef: {name: {{ include "dreamray.tokenSecret" . | quote }}, key: auth_token}
{{- end -}}

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

{{/* What Kubernetes would mount as the token of the service account, for one container of our choice. */}}
{{- define "dreamray.apiTokenVolume" -}}
name: kubernetes-api
projected:
  sources:
    - serviceAccountToken: {path: token, expirationSeconds: 3600}
    - configMap:
        name: kube-root-ca.crt
        items:
          - {key: ca.crt, path: ca.crt}
    - downwardAPI:
        items:
          - path: namespace
            fieldRef: {fieldPath: metadata.namespace}
{{- end -}}

{{- define "dreamray.apiTokenMount" -}}
name: kubernetes-api
mountPath: /var/run/secrets/kubernetes.io/serviceaccount
readOnly: true
{{- end -}}
