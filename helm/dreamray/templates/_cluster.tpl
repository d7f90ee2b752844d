{{/* Ray clusters: the long-lived one, and those of schedules. */}}

{{/*
Ports, on all nodes. Ray would choose some of them anew each time; a NetworkPolicy needs to know. On
those of the exchange workers hear one another, each process on one.
Ray's client server listens at 10001 of each head, and cannot be switched off: nothing of ours uses it,
and no policy opens that port.
*/}}
{{- define "dreamray.ports" -}}
gcs: 6379
nodeManager: 6380
objectManager: 6381
agentGrpc: 6382
runtimeEnvAgent: 6383
dashboard: 8265
metrics: 8080
agentHttp: 52365
firstWorker: 10002
lastWorker: 10999
firstExchange: 11000
lastExchange: 11063
{{- end -}}

{{/* What is the same in `ray start` on head and workers. */}}
{{- define "dreamray.startParams" -}}
{{- $ports := include "dreamray.ports" . | fromYaml -}}
{{- with $ports -}}
node-manager-port: {{ .nodeManager | quote }}
object-manager-port: {{ .objectManager | quote }}
dashboard-agent-grpc-port: {{ .agentGrpc | quote }}
dashboard-agent-listen-port: {{ .agentHttp | quote }}
runtime-env-agent-port: {{ .runtimeEnvAgent | quote }}
metrics-export-port: {{ .metrics | quote }}
min-worker-port: {{ .firstWorker | quote }}
max-worker-port: {{ .lastWorker | quote }}
disable-usage-stats: "true"
{{- end -}}
{{- end -}}

{{/* A worker group with all of its keys, as JSON. Takes root and group. */}}
{{- define "dreamray.workerGroup" -}}
{{- mustMergeOverwrite (deepCopy .root.Values.workerDefaults) .group | toJson -}}
{{- end -}}

{{/* Those of the groups that are named, all if none is, as JSON {groups: [...]}. Takes root and names. */}}
{{- define "dreamray.workerGroups" -}}
{{- $groups := list -}}
{{- range .root.Values.workerGroups -}}
{{- if or (empty $.names) (has .name $.names) -}}
{{- $groups = append $groups (include "dreamray.workerGroup" (dict "root" $.root "group" .) | fromJson) -}}
{{- end -}}
{{- end -}}
{{- dict "groups" $groups | toJson -}}
{{- end -}}

{{/* Where pods of a group go, and what they get: `placement` of the pod template, as JSON. */}}
{{- define "dreamray.workerPlacement" -}}
{{- $placement := deepCopy . -}}
{{- $spot := dict
      "gke" (dict "label" "cloud.google.com/gke-spot" "value" "true" "taint" true)
      "eks" (dict "label" "eks.amazonaws.com/capacityType" "value" "SPOT")
      "karpenter" (dict "label" "karpenter.sh/capacity-type" "value" "spot")
      "aks" (dict "label" "kubernetes.azure.com/scalesetpriority" "value" "spot" "taint" true) -}}
{{- if and .gpu.count .gpu.type -}}
{{- $_ := set $placement.nodeSelector .gpu.typeLabel .gpu.type -}}
{{- end -}}
{{- if and .gpu.count .gpu.resource -}}
{{- $gpus := dict .gpu.resource (.gpu.count | int) -}}
{{- $_ := set $placement.resources "limits" (merge (dict) $gpus (default dict $placement.resources.limits)) -}}
{{- $_ := set $placement.resources "requests" (merge (dict) $gpus (default dict $placement.resources.requests)) -}}
{{- $_ := set $placement "tolerations" (append $placement.tolerations (dict "key" .gpu.resource "operator" "Exists" "effect" "NoSchedule")) -}}
{{- end -}}
{{- with get $spot .spot -}}
{{- $_ := set $placement.nodeSelector .label .value -}}
{{- if .taint -}}
{{- $_ := set $placement "tolerations" (append $placement.tolerations (dict "key" .label "operator" "Equal" "value" .value "effect" "NoSchedule")) -}}
{{- end -}}
{{- end -}}
{{- toJson $placement -}}
{{- end -}}

{{/*
The spec of a RayCluster. Takes a dict:
  root      the chart's context
  cluster   label of its pods
  groups    names of the worker groups; all if empty
  fixed     numbers of workers by group instead of an autoscaler, or nothing

`replicas` of a group is the autoscaler's, where there is one: begun at minReplicas, and never taken back
by an upgrade. KubeRay does not end workers when it is set to less; Ray sets it right.
*/}}
{{- define "dreamray.clusterSpec" -}}
{{- $root := .root -}}
{{- $values := .root.Values -}}
{{- $ports := include "dreamray.ports" . | fromYaml -}}
{{- $autoscaled := kindIs "invalid" .fixed -}}
rayVersion: {{ $values.rayVersion | quote }}
authOptions:
  mode: token
  secretName: {{ include "dreamray.tokenSecret" $root | quote }}
enableInTreeAutoscaling: {{ $autoscaled }}
{{- if $autoscaled }}
autoscalerOptions:
  version: v2
  idleTimeoutSeconds: {{ $values.autoscaler.idleTimeoutSeconds | int64 }}
  upscalingMode: {{ $values.autoscaler.upscalingMode }}
  imagePullPolicy: {{ $values.image.pullPolicy }}
  resources:
    {{- toYaml $values.autoscaler.resources | nindent 4 }}
  securityContext:
    {{- include "dreamray.containerSecurity" . | nindent 4 }}
  env:
    {{- include "dreamray.commonEnv" . | nindent 4 }}
    {{- include "dreamray.unbuffered" . | nindent 4 }}
  volumeMounts:
    - {name: autoscaler-tmp, mountPath: /tmp}
    - {name: ray-logs, mountPath: /tmp/ray}
    - {{ include "dreamray.apiTokenMount" . | nindent 6 | trim }}
{{- end }}
headGroupSpec:
  serviceType: ClusterIP
  rayStartParams:
    # Drivers run here, tasks do not.
    num-cpus: "0"
    num-gpus: "0"
    port: {{ $ports.gcs | quote }}
    dashboard-host: 0.0.0.0
    dashboard-port: {{ $ports.dashboard | quote }}
    {{- include "dreamray.startParams" . | nindent 4 }}
  template:
    {{- $head := dict "root" $root "component" "head" "cluster" .cluster "container" "ray-head" "placement" $values.head -}}
    {{- /* The autoscaler, PID 1 of its container, does not hear that it is to end: the pod takes all of
    this time. Ray takes a few seconds of it; what runs on a head can be handed on to nobody. */ -}}
    {{- $_ := set $head "terminationGracePeriodSeconds" 15 -}}
    {{- $_ := set $head "env" (append (include "dreamray.failureDetection" $root | fromYamlArray) (include "dreamray.drain" 0 | fromYaml)) -}}
    {{- $_ := set $head "ports" (list
          (dict "name" "gcs-server" "containerPort" $ports.gcs "protocol" "TCP")
          (dict "name" "dashboard" "containerPort" $ports.dashboard "protocol" "TCP")
          (dict "name" "metrics" "containerPort" $ports.metrics "protocol" "TCP")) -}}
    {{- if $autoscaled -}}
    {{- /* The autoscaler shares Ray's logs; KubeRay would mount a volume without a limit there. */ -}}
    {{- $limit := include "dreamray.tmpVolume" $root | fromYaml -}}
    {{- $_ := set $head "mounts" (list (dict "name" "ray-logs" "mountPath" "/tmp/ray")) -}}
    {{- $_ := set $head "volumes" (list
          (dict "name" "ray-logs" "emptyDir" $limit)
          (dict "name" "autoscaler-tmp" "emptyDir" $limit)
          (include "dreamray.apiTokenVolume" $root | fromYaml)) -}}
    {{- end -}}
    {{- include "dreamray.podTemplate" $head | nindent 4 }}
workerGroupSpecs:
  {{- $groups := include "dreamray.workerGroups" (dict "root" $root "names" .groups) | fromJson }}
  {{- range $group := $groups.groups }}
  - groupName: {{ $group.name | quote }}
    {{- if $autoscaled }}
    minReplicas: {{ $group.minReplicas | int64 }}
    maxReplicas: {{ $group.maxReplicas | int64 }}
    {{- if not (kindIs "invalid" $group.idleTimeoutSeconds) }}
    idleTimeoutSeconds: {{ $group.idleTimeoutSeconds | int64 }}
    {{- end }}
    {{- else }}
    {{- $count := dig $group.name $group.maxReplicas $.fixed | int64 }}
    minReplicas: {{ $count }}
    maxReplicas: {{ $count }}
    replicas: {{ $count }}
    {{- end }}
    numOfHosts: 1
    {{- if and $group.gpu.count $group.gpu.type }}
    # Where --same-kind finds workers whose bits are the same.
    labels: {dreamray.io/kind: {{ $group.gpu.type | quote }}}
    {{- end }}
    rayStartParams:
      # KubeRay counts what ends with "gpu" only, and Ray finds GPUs that a pod has not asked for.
      num-gpus: {{ $group.gpu.count | int | quote }}
      {{- include "dreamray.startParams" $ | nindent 6 }}
    template:
      {{- $worker := dict "root" $root "component" "worker" "cluster" $.cluster "container" "ray-worker" -}}
      {{- $_ := set $worker "placement" (include "dreamray.workerPlacement" $group | fromJson) -}}
      {{- $_ := set $worker "terminationGracePeriodSeconds" (add $group.drainSeconds 30) -}}
      {{- $exchange := dict "name" "DREAMRAY_EXCHANGE_PORTS" "value" (printf "%v-%v" $ports.firstExchange $ports.lastExchange) -}}
      {{- $_ := set $worker "env" (list (include "dreamray.drain" $group.drainSeconds | fromYaml) $exchange) -}}
      {{- $_ := set $worker "ports" (list (dict "name" "metrics" "containerPort" $ports.metrics "protocol" "TCP")) -}}
      {{- include "dreamray.podTemplate" $worker | nindent 6 }}
  {{- end }}
{{- end -}}

{{/* How long a node that is told to end hands on what it does. Takes the seconds. */}}
{{- define "dreamray.drain" -}}
{name: RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S, value: {{ int64 . | quote }}}
{{- end -}}

{{- define "dreamray.failureDetection" -}}
{{- with .Values.failureDetection -}}
- {name: RAY_health_check_initial_delay_ms, value: {{ .initialDelayMs | int64 | quote }}}
- {name: RAY_health_check_period_ms, value: {{ .periodMs | int64 | quote }}}
- {name: RAY_health_check_timeout_ms, value: {{ .timeoutMs | int64 | quote }}}
- {name: RAY_health_check_failure_threshold, value: {{ .failureThreshold | int64 | quote }}}
{{- end -}}
{{- end -}}
