{{/*
How much a counter has grown, as PromQL. Takes a list: the series, and the time, such as 30m.

Each run counts in series of its own, which begin with what they have reached when they are first
seen. A short run, or a single failure, is only that: `increase` would not see it.
*/}}
{{- define "dreamray.grown" -}}
{{- $series := index . 0 -}}
({{ $series }} - ({{ $series }} offset {{ index . 1 }} or {{ $series }} * 0))
{{- end -}}
