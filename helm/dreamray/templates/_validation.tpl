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
{{- if .httpRoute.enabled -}}
{{- if or (not .cluster.enabled) (not .httpRoute.parentRefs) -}}
{{- fail "httpRoute.enabled: a route leads from gateways to the head of the long-lived cluster; set httpRoute.parentRefs and cluster.enabled=true" -}}
{{- end -}}
{{- if and .networkPolicy.enabled (not .networkPolicy.submitters) -}}
{{- fail "httpRoute.enabled: the policies let no gateway reach the head; name its pods in networkPolicy.submitters" -}}
{{- end -}}
{{- end -}}
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
{{- if and .gpu.count (not .gpu.resource) (not (and .resourceClaims .resources.claims)) -}}
{{- fail (printf "workerGroups %s: gpu.resource is empty, and no device is claimed; set resourceClaims and resources.claims, or gpu.resource" .name) -}}
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
