// Package helm tests the Helm chart and the plain manifests that are made from it.
//
// There is no cluster. What the chart renders is decoded strictly into the types of
// the Kubernetes API, held against the restricted Pod Security Standard by the code
// that clusters enforce it with, and its container is run by Docker with the arguments,
// the user, the file system and the volumes that a kubelet would give to it.
package helm
