{{/*
What the schema cannot see: values that do not fit each other. Each message names the value, the
reason, and what to write instead.
*/}}
{{- define "dreamray.validate" -}}
{{- include "dreamray.validateNames" . -}}
{{- include "dreamray.validateSources" . -}}
{{- include "dreamray.validatePods" . -}}
{{- range .Values.workerGroups -}}
{{- include "dreamray.validateGroup" (include "dreamray.workerGroup" (dict "root" $ "group" .) | fromJson) -}}
{{- end -}}
{{- range .Values.schedules -}}
{{- $schedule := include "dreamray.schedule" (dict "root" $ "schedule" .) | fromJson -}}
{{- include "dreamray.validateSchedule" (dict "root" $ "schedule" $schedule) -}}
{{- end -}}
{{- end -}}

{{- define "dreamray.validateNames" -}}
{{- $name := include "dreamray.fullname" . -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$" $name) -}}
{{- fail (printf "the name %q: KubeRay allows at most 40 small letters, digits and dashes, and a letter first; set fullnameOverride" $name) -}}
{{- end -}}
{{- if not .Values.workerGroups -}}
{{- fail "workerGroups is empty, so nobody would dream; add an entry, such as {name: gpu, maxReplicas: 4}" -}}
{{- end -}}
{{- range $list := list "workerGroups" "schedules" -}}
{{- $seen := dict -}}
{{- range get $.Values $list -}}
{{- if hasKey $seen .name -}}
{{- fail (printf "%s: two are called %q; give each a name of its own" $list .name) -}}
{{- end -}}
{{- $_ := set $seen .name true -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "dreamray.validateSources" -}}
{{- with .Values -}}
{{- if and (eq .weights.source "uri") (not (hasPrefix "s3://" .weights.uri)) -}}
{{- fail (printf "weights.uri %q: source uri needs an s3:// URI of a Keras file; set weights.uri, or weights.source=image" .weights.uri) -}}
{{- end -}}
{{- if and (ne .weights.source "uri") .weights.uri -}}
{{- fail (printf "weights.uri is set, but weights.source is %s; set weights.source=uri, or leave weights.uri empty" .weights.source) -}}
{{- end -}}
{{- if and .ca.configMap .ca.secret -}}
{{- fail "ca: both configMap and secret are set; leave one of them empty" -}}
{{- end -}}
{{- if and (not .serviceAccount.create) (not .serviceAccount.name) -}}
{{- fail "serviceAccount.create is off, and serviceAccount.name empty: KubeRay needs one for the head; set serviceAccount.name" -}}
{{- end -}}
{{- if and (not .serviceAccount.create) (include "dreamray.launches" $) -}}
{{- fail (printf "schedules %s: runOn rayJob needs a service account that may make RayJobs; set serviceAccount.create=true" (include "dreamray.launches" $)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What is given to the pods does not take the place of what the chart gives them. */}}
{{- define "dreamray.validatePods" -}}
{{- range $label := keys .Values.podLabels | sortAlpha -}}
{{- if or (has $label (list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/part-of" "app.kubernetes.io/component" "dreamray/cluster")) (hasPrefix "ray.io/" $label) -}}
{{- fail (printf "podLabels: network policies and services select by %s; use a label of your own" $label) -}}
{{- end -}}
{{- end -}}
{{- /* KubeRay's own, which it adds once more. */ -}}
{{- $ours := list "FQ_RAY_IP" "RAY_IP" "RAY_CLUSTER_NAME" "RAY_CLUSTER_NAMESPACE" "RAY_CLOUD_INSTANCE_ID" "RAY_NODE_TYPE_NAME" "KUBERAY_GEN_RAY_START_CMD" "RAY_USAGE_STATS_EXTRA_TAGS" -}}
{{- $ours = append $ours (include "dreamray.drain" 0 | fromYaml).name -}}
{{- range concat (include "dreamray.commonEnv" . | fromYamlArray) (include "dreamray.unbuffered" . | fromYamlArray) (include "dreamray.tokenEnv" . | fromYamlArray) (include "dreamray.dreamEnv" . | fromYamlArray) (include "dreamray.failureDetection" . | fromYamlArray) -}}
{{- $ours = append $ours .name -}}
{{- end -}}
{{- range .Values.env -}}
{{- if has .name $ours -}}
{{- fail (printf "env: the chart, KubeRay or another entry sets %s already; leave it out, and see the chart's values for one that does what you want" .name) -}}
{{- end -}}
{{- $ours = append $ours .name -}}
{{- end -}}
{{- $volumes := list -}}
{{- range .Values.extraVolumes -}}
{{- if has .name (concat $volumes (list "tmp" "ca" "weights" "autoscaler-tmp" "kubernetes-api" "shared-mem" "ray-logs")) -}}
{{- fail (printf "extraVolumes: there is a volume %q already, of the chart, of KubeRay or in another entry; give it another name" .name) -}}
{{- end -}}
{{- $volumes = append $volumes .name -}}
{{- end -}}
{{- $paths := list "/tmp" "/etc/dreamray/ca" "/var/cache/dreamray" -}}
{{- range .Values.extraVolumeMounts -}}
{{- if not (has .name $volumes) -}}
{{- fail (printf "extraVolumeMounts: there is no volume %q in extraVolumes; add it there" .name) -}}
{{- end -}}
{{- $path := trimSuffix "/" .mountPath -}}
{{- if has $path $paths -}}
{{- fail (printf "extraVolumeMounts: something is mounted at %s already; choose another mountPath" .mountPath) -}}
{{- end -}}
{{- $paths = append $paths $path -}}
{{- end -}}
{{- end -}}

{{- define "dreamray.validateGroup" -}}
{{- if gt (int64 .minReplicas) (int64 .maxReplicas) -}}
{{- fail (printf "workerGroups %s: minReplicas %d is more than maxReplicas %d; raise maxReplicas" .name (int64 .minReplicas) (int64 .maxReplicas)) -}}
{{- end -}}
{{- if not (dig "limits" "memory" "" .resources) -}}
{{- fail (printf "workerGroups %s: without resources.limits.memory Ray would deal out all memory of the node; set it" .name) -}}
{{- end -}}
{{- if and (not .gpu.count) .gpu.type -}}
{{- fail (printf "workerGroups %s: gpu.type is %s, but gpu.count is 0; set gpu.count=1, or leave gpu.type empty" .name .gpu.type) -}}
{{- end -}}
{{- range $key := list "requests" "limits" -}}
{{- if hasKey (default dict (get $.resources $key)) $.gpu.resource -}}
{{- fail (printf "workerGroups %s: resources.%s has %s; write gpu.count instead" $.name $key $.gpu.resource) -}}
{{- end -}}
{{- end -}}
{{- end -}}

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
{{- range $key := list "queue" "groups" "replicas" -}}
{{- if get $.schedule $key -}}
{{- fail (printf "%s: %s is for runs on a cluster of their own; set runOn: rayJob, or leave it out" $where $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .replicas (not .queue) -}}
{{- fail (printf "%s: replicas is for runs with a queue; without one the autoscaler decides. Set queue, or leave it out" $where) -}}
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

{{/* CPUs that Ray deals out on a node: KubeRay takes the limit, else the request, rounded up. */}}
{{- define "dreamray.cpus" -}}
{{- $text := dig "limits" "cpu" (dig "requests" "cpu" "0" .) . | toString -}}
{{- if hasSuffix "m" $text -}}
{{- divf (trimSuffix "m" $text | float64) 1000 | ceil -}}
{{- else -}}
{{- $text | float64 | ceil -}}
{{- end -}}
{{- end -}}
