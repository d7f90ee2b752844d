{{/* Schedules: what a run is, and who starts it. */}}

{{/* A schedule with all of its keys, as JSON. Takes root and schedule. */}}
{{- define "dreamray.schedule" -}}
{{- mustMergeOverwrite (deepCopy .root.Values.scheduleDefaults) .schedule | toJson -}}
{{- end -}}

{{/*
The command of a run, as a JSON array. Takes root and schedule (with all of its keys). As the
cluster has no workers while there is no work, dreamray cannot see what it could have: it is told.
*/}}
{{- define "dreamray.command" -}}
{{- $settings := deepCopy .schedule.settings -}}
{{- $workers := include "dreamray.workersOf" . | fromJson -}}
{{- if not (hasKey $settings "workers") -}}
{{- $_ := set $settings "workers" (printf "1:%d" (int64 $workers.most)) -}}
{{- end -}}
{{- if and $workers.gpus (not (hasKey $settings "gpus-per-worker")) -}}
{{- $_ := set $settings "gpus-per-worker" $workers.gpus -}}
{{- end -}}
{{- $command := list "dreamray" .schedule.command .schedule.source .schedule.destination -}}
{{- range $name, $value := $settings -}}
{{- range ternary $value (list $value) (kindIs "slice" $value) -}}
{{- if kindIs "bool" . -}}
{{- if . -}}
{{- $command = append $command (printf "--%s" $name) -}}
{{- end -}}
{{- else -}}
{{- $text := kindIs "string" . | ternary . (toJson .) -}}
{{- $command = append $command (printf "--%s=%s" $name $text) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $command -}}
{{- end -}}

{{/*
What the workers of a run take of a node, and how many its groups have room for, as JSON {threads, gpus,
most}. Takes root and schedule. Groups with GPUs are for runs with GPUs, and the others for the others,
unless there is but one kind. `dreamray.farm.resources` counts so where nodes are up.
*/}}
{{- define "dreamray.workersOf" -}}
{{- $schedule := .schedule -}}
{{- $groups := (include "dreamray.workerGroups" (dict "root" .root "names" $schedule.groups) | fromJson).groups -}}
{{- $with := list -}}
{{- $without := list -}}
{{- range $groups -}}
{{- if .gpu.count -}}
{{- $with = append $with . -}}
{{- else -}}
{{- $without = append $without . -}}
{{- end -}}
{{- end -}}
{{- $gpus := dig "gpus-per-worker" (ternary 0 1 (empty $with)) $schedule.settings | toString | float64 -}}
{{- $threads := dig "threads" 4 $schedule.settings | int64 | max 1 -}}
{{- $most := 0 -}}
{{- range ternary $with (default $groups $without) (gt $gpus 0.0) -}}
{{- $fit := div (include "dreamray.cpus" .resources | int64) $threads -}}
{{- if gt $gpus 0.0 -}}
{{- $fit = min $fit (divf .gpu.count $gpus | floor | int64) -}}
{{- else if not (hasKey $schedule.settings "threads") -}}
{{- $fit = min $fit 1 -}}
{{- end -}}
{{- $replicas := ternary (dig .name .maxReplicas $schedule.replicas) .maxReplicas (not (empty $schedule.queue)) -}}
{{- $most = add $most (mul $replicas $fit) -}}
{{- end -}}
{{- dict "threads" $threads "gpus" $gpus "most" $most | toJson -}}
{{- end -}}

{{/* A command as one line for a shell. Takes a list. */}}
{{- define "dreamray.shell" -}}
{{- $words := list -}}
{{- range . -}}
{{- $words = append $words (printf "'%s'" (replace "'" "'\\''" .)) -}}
{{- end -}}
{{- join " " $words -}}
{{- end -}}

{{/* In the arguments of a container Kubernetes puts a variable in for $(NAME), and $ for each $$. */}}
{{- define "dreamray.literal" -}}
{{- replace "$" "$$" . -}}
{{- end -}}

{{/*
A pod that submits a command to the long-lived cluster. Takes root, id, command, deadline, and owner,
the variable with the UID of the Job if it is one's.
*/}}
{{- define "dreamray.submitterPod" -}}
{{- $root := .root -}}
{{- $args := list "-m" "dreamray.farm.submit" -}}
{{- $args = append $args "--id=$(RUN)" -}}
{{- if .owner -}}
{{- $args = append $args "--owner=$(OWNER)" -}}
{{- end -}}
{{- $args = append $args (printf "--address=%s" (include "dreamray.jobServer" $root)) -}}
{{- $args = append $args (printf "--patience=%d" (int64 $root.Values.submitter.patienceSeconds)) -}}
{{- $args = append $args (printf "--deadline=%d" (int64 .deadline)) -}}
{{- $args = append $args "--" -}}
{{- range .command -}}
{{- $args = append $args (include "dreamray.literal" .) -}}
{{- end -}}
{{- $pod := dict "root" $root "component" "submitter" "container" "submitter" "restartPolicy" "Never" -}}
{{- $_ := set $pod "placement" $root.Values.submitter -}}
{{- $_ := set $pod "command" (list "python") -}}
{{- $_ := set $pod "args" $args -}}
{{- $_ := set $pod "env" (compact (list .id .owner)) -}}
{{- include "dreamray.podTemplate" $pod -}}
{{- end -}}

{{/*
A pod that makes a RayJob and waits for it. Takes root and schedule. KubeRay makes a Job of exactly the
RayJob's name to submit the run: it must not be that of the launcher's own Job.
*/}}
{{- define "dreamray.launcherPod" -}}
{{- $root := .root -}}
{{- $args := list "-m" "dreamray.farm.rayjob" "--manifest=/etc/dreamray/run/rayjob.json" -}}
{{- $args = concat $args (list "--name=$(RUN)-ray" "--owner-job=$(RUN)" "--owner-uid=$(OWNER)") -}}
{{- $args = append $args (printf "--patience=%d" (int64 $root.Values.submitter.patienceSeconds)) -}}
{{- $pod := dict "root" $root "component" "launcher" "container" "launcher" "restartPolicy" "Never" -}}
{{- $_ := set $pod "placement" $root.Values.submitter -}}
{{- $_ := set $pod "command" (list "python") -}}
{{- $_ := set $pod "args" $args -}}
{{- $_ := set $pod "env" (list (include "dreamray.runName" . | fromYaml) (include "dreamray.runOwner" . | fromYaml)) -}}
{{- $_ := set $pod "mounts" (list
      (dict "name" "run" "mountPath" "/etc/dreamray/run" "readOnly" true)
      (include "dreamray.apiTokenMount" $root | fromYaml)) -}}
{{- $_ := set $pod "volumes" (list
      (dict "name" "run" "configMap" (dict "name" (include "dreamray.scheduleName" .)))
      (include "dreamray.apiTokenVolume" $root | fromYaml)) -}}
{{- include "dreamray.podTemplate" $pod -}}
{{- end -}}

{{/* The name of a run is that of its Job: a new pod of it finds what the one before has begun. */}}
{{- define "dreamray.runName" -}}
name: RUN
valueFrom:
  fieldRef:
    fieldPath: metadata.labels['batch.kubernetes.io/job-name']
{{- end -}}

{{- define "dreamray.runOwner" -}}
name: OWNER
valueFrom:
  fieldRef:
    fieldPath: metadata.labels['batch.kubernetes.io/controller-uid']
{{- end -}}

{{/* The RayJob of a schedule. The launcher gives it its name. */}}
{{- define "dreamray.rayJob" -}}
{{- $root := .root -}}
{{- $schedule := .schedule -}}
apiVersion: ray.io/v1
kind: RayJob
metadata:
  labels:
    {{- include "dreamray.labels" $root | nindent 4 }}
    {{- with $schedule.queue }}
    kueue.x-k8s.io/queue-name: {{ . | quote }}
    {{- end }}
spec:
  # KubeRay passes it on in the arguments of the submitter.
  entrypoint: {{ include "dreamray.literal" (include "dreamray.shell" (include "dreamray.command" . | fromJsonArray)) | toJson }}
  submissionMode: K8sJobMode
  shutdownAfterJobFinishes: true
  ttlSecondsAfterFinished: {{ $schedule.keepSeconds | int64 }}
  activeDeadlineSeconds: {{ $schedule.deadlineSeconds | int64 }}
  backoffLimit: 0
  submitterConfig:
    backoffLimit: {{ $schedule.retries | int64 }}
  submitterPodTemplate:
    {{- $pod := dict "root" $root "component" "submitter" "container" "ray-job-submitter" "restartPolicy" "Never" -}}
    {{- /* KubeRay's command is a shell, which as PID 1 does not hear that it is to end. */ -}}
    {{- $_ := set $pod "terminationGracePeriodSeconds" 5 -}}
    {{- $_ := set $pod "kuberays" true -}}
    {{- $_ := set $pod "placement" $root.Values.submitter -}}
    {{- include "dreamray.podTemplate" $pod | nindent 4 }}
  rayClusterSpec:
    {{- $cluster := dict "root" $root "cluster" (printf "schedule-%s" $schedule.name) "groups" $schedule.groups -}}
    {{- if $schedule.queue -}}
    {{- $_ := set $cluster "fixed" $schedule.replicas -}}
    {{- end -}}
    {{- include "dreamray.clusterSpec" $cluster | nindent 4 }}
{{- end -}}

{{/* Whether any schedule makes clusters of its own: their names, joined by commas. */}}
{{- define "dreamray.launches" -}}
{{- $names := list -}}
{{- range .Values.schedules -}}
{{- $schedule := include "dreamray.schedule" (dict "root" $ "schedule" .) | fromJson -}}
{{- if eq $schedule.runOn "rayJob" -}}
{{- $names = append $names $schedule.name -}}
{{- end -}}
{{- end -}}
{{- join "," $names -}}
{{- end -}}
