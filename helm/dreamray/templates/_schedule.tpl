{{/* Schedules: what a run is, and how many workers it asks for. */}}

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
{{- $most = add $most (mul (dig .name .maxReplicas $schedule.replicas) $fit) -}}
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

{{/* CPUs that Ray deals out on a node: KubeRay takes the limit, else the request, rounded up. */}}
{{- define "dreamray.cpus" -}}
{{- $text := dig "limits" "cpu" (dig "requests" "cpu" "0" .) . | toString -}}
{{- if hasSuffix "m" $text -}}
{{- divf (trimSuffix "m" $text | float64) 1000 | ceil -}}
{{- else -}}
{{- $text | float64 | ceil -}}
{{- end -}}
{{- end -}}
