{{/* What the schema cannot see of a schedule: values that do not fit each other. */}}

{{- define "dreamray.validateSchedule" -}}
{{- $root := .root -}}
{{- $values := .root.Values -}}
{{- with .schedule -}}
{{- $where := printf "schedules %s" .name -}}
{{- $name := include "dreamray.scheduleName" $ -}}
{{- $own := eq .runOn "rayJob" -}}
{{- /* Kubernetes adds 11 characters for each run, the launcher 4; KubeRay allows 47 for a RayJob. */}}
{{- $longest := ternary 32 52 $own -}}
{{- if gt (len $name) $longest -}}
{{- fail (printf "%s: the name %s has %d characters, and %d are allowed with runOn %s; shorten it, or fullnameOverride" $where $name (len $name) $longest .runOn) -}}
{{- end -}}
{{- if and $own (eq .name "dashboard") -}}
{{- fail (printf "%s: the chart's own ConfigMap is called %s; give the schedule another name" $where $name) -}}
{{- end -}}
{{- if and (not $own) (not $values.cluster.enabled) -}}
{{- fail (printf "%s: runOn cluster, but there is no long-lived cluster; set cluster.enabled=true, or runOn: rayJob" $where) -}}
{{- end -}}
{{- if not $own -}}
{{- range $key := list "queue" "elastic" "groups" "replicas" -}}
{{- if get $.schedule $key -}}
{{- fail (printf "%s: %s is for runs on a cluster of their own; set runOn: rayJob, or leave it out" $where $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .elastic (not .queue) -}}
{{- fail (printf "%s: elastic is for runs with a queue; without one the autoscaler decides anyway. Set queue, or leave it out" $where) -}}
{{- end -}}
{{- if and .replicas (or .elastic (not .queue)) -}}
{{- fail (printf "%s: replicas is for runs with a queue that are not elastic; for others the autoscaler decides. Set queue, or leave it out" $where) -}}
{{- end -}}
{{- $theirs := dict
      "render" (list "batch" "format" "include" "max-failures" "no-report" "overwrite")
      "bulk" (list "fresh" "keep-work" "preview") -}}
{{- range $option := get $theirs .command -}}
{{- if and (hasKey $.schedule.settings $option) (ne (get $.schedule.settings $option | toString) "false") -}}
{{- fail (printf "%s: dreamray %s has no option %s; leave it out of settings, or set it to false where scheduleDefaults have it" $where $.schedule.command $option) -}}
{{- end -}}
{{- end -}}
{{- include "dreamray.validatePlaces" $ -}}
{{- include "dreamray.validateGroupsOf" $ -}}
{{- end -}}
{{- end -}}

{{/* Source and destination can be reached from the pods. */}}
{{- define "dreamray.validatePlaces" -}}
{{- range $key := list "source" "destination" -}}
{{- $place := get $.schedule $key -}}
{{- if and (not (hasPrefix "s3://" $place)) (not (hasPrefix "/" $place)) -}}
{{- fail (printf "schedules %s: %s %q is neither an s3:// URI nor an absolute path; write one of them" $.schedule.name $key $place) -}}
{{- end -}}
{{- if hasPrefix "/" $place -}}
{{- $mounted := false -}}
{{- range $.root.Values.extraVolumeMounts -}}
{{- $mounted = or $mounted (eq $place .mountPath) (hasPrefix (printf "%s/" (trimSuffix "/" .mountPath)) $place) -}}
{{- end -}}
{{- if not $mounted -}}
{{- fail (printf "schedules %s: %s %s is a path that no pod has; write an s3:// URI, or mount a volume there with extraVolumes and extraVolumeMounts" $.schedule.name $key $place) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The groups of a run are there, and its workers fit into one of them. */}}
{{- define "dreamray.validateGroupsOf" -}}
{{- $where := printf "schedules %s" .schedule.name -}}
{{- $settings := .schedule.settings -}}
{{- $names := list -}}
{{- range .root.Values.workerGroups -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- range concat .schedule.groups (keys .schedule.replicas) -}}
{{- if not (has . $names) -}}
{{- fail (printf "%s: there is no worker group %s; there are: %s" $where . (join ", " $names)) -}}
{{- end -}}
{{- end -}}
{{- range keys .schedule.replicas -}}
{{- if and $.schedule.groups (not (has . $.schedule.groups)) -}}
{{- fail (printf "%s: replicas has group %s, which is not among groups; add it there, or leave it out" $where .) -}}
{{- end -}}
{{- end -}}
{{- $groups := (include "dreamray.workerGroups" (dict "root" .root "names" .schedule.groups) | fromJson).groups -}}
{{- $with := 0 -}}
{{- range $groups -}}
{{- $with = add $with (ternary 1 0 (gt (int .gpu.count) 0)) -}}
{{- end -}}
{{- if and (gt $with 0) (lt $with (len $groups)) (not (hasKey $settings "gpus-per-worker")) -}}
{{- fail (printf "%s: some worker groups have GPUs and some have not; say which are to work with settings.gpus-per-worker: 1, or 0" $where) -}}
{{- end -}}
{{- $workers := include "dreamray.workersOf" . | fromJson -}}
{{- if not $workers.most -}}
{{- fail (printf "%s: a worker takes %d CPUs and %v GPUs, which no node of its groups has; raise resources.requests.cpu of a group, or set settings.threads" $where (int64 $workers.threads) $workers.gpus) -}}
{{- end -}}
{{- end -}}
