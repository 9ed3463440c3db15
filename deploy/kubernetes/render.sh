#!/usr/bin/env bash
# render.sh [DIR]: writes the plain manifests of this folder anew from the Helm chart,
# or into DIR. $HELM is the helm to use.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
chart=$here/../helm/drawbridge
to=${1:-$here}
helm=${HELM:-helm}

for name in volume replicas; do
	{
		sed -n 's/^# /# /p;/^[^#]/q' "$chart/ci/$name-values.yaml"
		printf '# Made from deploy/helm/drawbridge by `make manifests`; docs/kubernetes.md says what to change.\n'
		# The release name gives the names; what only Helm reads is left out.
		"$helm" template drawbridge "$chart" --namespace drawbridge --skip-tests \
			--values "$chart/ci/$name-values.yaml" |
			sed '/^# Source: /d; /^ *helm.sh\/chart: /d; /managed-by: Helm$/d
				/^  annotations:$/{N;N;/helm.sh/d}'
	} >"$to/$name.yaml"
done
