{{/*
Pods. One template for head, workers, submitters of every kind, and the test.

Takes a dict:
  root               the chart's context
  component          head, worker, submitter or launcher
  cluster            label of the Ray cluster that head and workers belong to
  container          name of the container
  placement          values with resources, nodeSelector, tolerations, ...: see dreamray.passedOn
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
  {{- with include "dreamray.passedOn" . }}
  {{- . | nindent 2 }}
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

{{/*
What the values of head, workers or submitters say of their pods, as it is in a pod. A container beside
ours is as hardened as ours where it does not say otherwise.
*/}}
{{- define "dreamray.passedOn" -}}
{{- $said := dict -}}
{{- range $key := list "priorityClassName" "runtimeClassName" "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" "dnsPolicy" "dnsConfig" "resourceClaims" -}}
{{- with get $.placement $key -}}
{{- $_ := set $said $key . -}}
{{- end -}}
{{- end -}}
{{- range .placement.initContainers -}}
{{- $hardened := dict "securityContext" (include "dreamray.containerSecurity" $ | fromYaml) -}}
{{- $_ := set $said "initContainers" (append (default list $said.initContainers) (mustMergeOverwrite $hardened .)) -}}
{{- end -}}
{{- with $said -}}
{{- toYaml . -}}
{{- end -}}
{{- end -}}

{{- define "dreamray.tmpVolume" -}}
{{- with .Values.storage.tmpSize -}}
sizeLimit: {{ . }}
{{- else -}}
{}
{{- end -}}
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
