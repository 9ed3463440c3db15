{{- define "drawbridge.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "drawbridge.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains (include "drawbridge.name" .) .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "drawbridge.name" .) | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "drawbridge.selectorLabels" -}}
app.kubernetes.io/name: {{ include "drawbridge.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "drawbridge.labels" -}}
{{ include "drawbridge.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "drawbridge.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "drawbridge.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "drawbridge.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{/* The name of the port that speaks to clients, after what is spoken there. */}}
{{- define "drawbridge.scheme" -}}
{{- ternary "http" "https" (eq .Values.tls.mode "off") }}
{{- end }}

{{- define "drawbridge.externalURL" -}}
{{- default (printf "https://%s.%s.svc%s" (include "drawbridge.fullname" .) .Release.Namespace (ternary "" (printf ":%v" .Values.service.port) (eq (int .Values.service.port) 443))) .Values.externalURL }}
{{- end }}

{{/* The Secret with drawbridge.yaml; nothing: the embedded default. */}}
{{- define "drawbridge.configSecret" -}}
{{- if not .Values.configSecret.create }}
{{- .Values.configSecret.name }}
{{- else if .Values.config }}
{{- default (include "drawbridge.fullname" .) .Values.configSecret.name }}
{{- end }}
{{- end }}

{{/* What the chart decides about the configuration, in the environment, which wins over the file. */}}
{{- define "drawbridge.env" -}}
{{- if include "drawbridge.configSecret" . }}
- { name: DRAWBRIDGE_CONFIG, value: /etc/drawbridge/drawbridge.yaml }
{{- end }}
- { name: DRAWBRIDGE_DATA_DIR, value: /data }
- { name: DRAWBRIDGE_SERVER_ADDR, value: ":5001" }
- { name: DRAWBRIDGE_SERVER_TELEMETRY_ADDR, value: ":5002" }
- { name: DRAWBRIDGE_SERVER_EXTERNAL_URL, value: {{ include "drawbridge.externalURL" . | quote }} }
- { name: DRAWBRIDGE_SERVER_DRAIN_DELAY, value: {{ .Values.drainDelay | quote }} }
- { name: DRAWBRIDGE_SERVER_TLS_MODE, value: {{ .Values.tls.mode | quote }} }
{{- if eq .Values.tls.mode "files" }}
- { name: DRAWBRIDGE_SERVER_TLS_CERT_FILE, value: /etc/drawbridge/tls/tls.crt }
- { name: DRAWBRIDGE_SERVER_TLS_KEY_FILE, value: /etc/drawbridge/tls/tls.key }
{{- end }}
{{- if .Values.signingCA.existingSecret }}
- { name: DRAWBRIDGE_TOKENS_CA_CERT_FILE, value: /etc/drawbridge/signing-ca/tls.crt }
- { name: DRAWBRIDGE_TOKENS_CA_KEY_FILE, value: /etc/drawbridge/signing-ca/tls.key }
{{- end }}
{{- if .Values.store.existingSecret }}
- { name: DRAWBRIDGE_STORE_URL_FILE, value: /etc/drawbridge/store-url }
{{- end }}
{{- if .Values.cache.existingSecret }}
- { name: DRAWBRIDGE_CACHE_REDIS_URL_FILE, value: /etc/drawbridge/redis-url }
{{- end }}
{{- if .Values.policy.document }}
- { name: DRAWBRIDGE_POLICY_FILE, value: /etc/drawbridge/policy.yaml }
{{- end }}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The sources of /etc/drawbridge: one volume, which follows its Secrets and ConfigMaps. */}}
{{- define "drawbridge.sources" -}}
{{- with include "drawbridge.configSecret" . }}
- secret: { name: {{ . }}, items: [{ key: drawbridge.yaml, path: drawbridge.yaml }] }
{{- end }}
{{- if .Values.policy.document }}
- configMap: { name: {{ include "drawbridge.fullname" . }}-policy, items: [{ key: policy.yaml, path: policy.yaml }] }
{{- end }}
{{- range $dir, $secret := dict "tls" (ternary .Values.tls.existingSecret "" (eq .Values.tls.mode "files")) "signing-ca" .Values.signingCA.existingSecret }}
{{- if $secret }}
- secret: { name: {{ $secret }}, items: [{ key: tls.crt, path: {{ $dir }}/tls.crt }, { key: tls.key, path: {{ $dir }}/tls.key }] }
{{- end }}
{{- end }}
{{- range $path, $from := dict "redis-url" .Values.cache "store-url" .Values.store }}
{{- if $from.existingSecret }}
- secret: { name: {{ $from.existingSecret }}, items: [{ key: {{ $from.key }}, path: {{ $path }} }] }
{{- end }}
{{- end }}
{{- range $name, $from := .Values.files }}
- {{ ternary "secret" "configMap" (hasKey $from "secret") }}: { name: {{ default $from.configMap $from.secret }}, items: [{ key: {{ $from.key }}, path: files/{{ $name }} }] }
{{- end }}
{{- end }}
