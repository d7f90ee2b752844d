{{/* Who begins a run of a schedule, and the RayJob of those that have a cluster of their own. */}}

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
  {{- if $schedule.elastic }}
  annotations:
    kueue.x-k8s.io/elastic-job: "true"
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
    {{- if and $schedule.queue (not $schedule.elastic) -}}
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
