{{/* What the schema cannot say: which values need which. All faults are told at once. */}}
{{- define "drawbridge.validate" -}}
{{- $faults := list }}
{{- $several := or .Values.autoscaling.enabled (gt (int .Values.replicaCount) 1) }}
{{- if or $several .Values.store.existingSecret }}
{{- $why := ternary "more than one replica needs" "store.existingSecret needs" $several }}
{{- if not .Values.store.existingSecret }}
{{- $faults = append $faults (printf "%s store.existingSecret: a Secret with the URL of PostgreSQL" $why) }}
{{- end }}
{{- if not .Values.signingCA.existingSecret }}
{{- $faults = append $faults (printf "%s signingCA.existingSecret: else each pod makes a CA of its own, which registries do not trust" $why) }}
{{- end }}
{{- if and $several (not .Values.cache.existingSecret) }}
{{- $faults = append $faults (printf "%s cache.existingSecret: a Secret with the URL of Redis" $why) }}
{{- end }}
{{- if and $several (eq .Values.tls.mode "self-signed") }}
{{- $faults = append $faults (printf "%s tls.mode files or off: else each pod makes a certificate of its own" $why) }}
{{- end }}
{{- end }}
{{- if and (eq .Values.tls.mode "files") (not .Values.tls.existingSecret) }}
{{- $faults = append $faults "tls.mode files needs tls.existingSecret" }}
{{- end }}
{{- if and .Values.tls.existingSecret (ne .Values.tls.mode "files") }}
{{- $faults = append $faults "tls.existingSecret is used only with tls.mode files" }}
{{- end }}
{{- if and (eq .Values.tls.mode "off") (not .Values.externalURL) }}
{{- $faults = append $faults "tls.mode off needs externalURL: the https:// URL of the proxy in front" }}
{{- end }}
{{- if and (not .Values.configSecret.create) (not .Values.configSecret.name) }}
{{- $faults = append $faults "configSecret.create false needs configSecret.name" }}
{{- end }}
{{- if and (not .Values.configSecret.create) .Values.config }}
{{- $faults = append $faults "config is not used with configSecret.create false" }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}
{{- $faults = append $faults "ingress.enabled needs ingress.hosts" }}
{{- end }}
{{- range $path, $instead := dict "data_dir" "persistence" "server.addr" "service" "server.telemetry_addr" "" "server.external_url" "externalURL" "server.drain_delay" "drainDelay" "server.tls.mode" "tls" "server.tls.cert_file" "tls" "server.tls.key_file" "tls" "tokens.ca_cert_file" "signingCA" "tokens.ca_key_file" "signingCA" "store.url" "store" "store.url_file" "store" "cache.redis_url" "cache" "cache.redis_url_file" "cache" "policy.file" "policy.document" }}
{{- $at := $.Values.config }}
{{- range splitList "." $path }}
{{- $at = ternary (get (ternary $at dict (kindIs "map" $at)) .) nil (and (kindIs "map" $at) (hasKey (ternary $at dict (kindIs "map" $at)) .)) }}
{{- end }}
{{- if not (kindIs "invalid" $at) }}
{{- $faults = append $faults (printf "config.%s is set by the chart%s" $path (ternary (printf "; use the value %s" $instead) "" (ne $instead ""))) }}
{{- end }}
{{- end }}
{{- if $faults }}
{{- fail (printf "\n- %s\nSee docs/kubernetes.md." (join "\n- " $faults)) }}
{{- end }}
{{- end }}
