package configs

import (
	"errors"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// documents reads every YAML document of a file.
func documents(t *testing.T, path string) []map[string]any {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	var all []map[string]any
	for d := yaml.NewDecoder(f); ; {
		var doc map[string]any
		err := d.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		all = append(all, doc)
	}
}

// TestDeployConfigLoads loads the configuration that the Kubernetes manifests carry.
func TestDeployConfigLoads(t *testing.T) {
	t.Parallel()
	docs := documents(t, "deploy/kubernetes.yaml")
	require.Equal(t, "ConfigMap", docs[0]["kind"])
	text := docs[0]["data"].(map[string]any)["recycler.yaml"].(string)
	_, err := Load(write(t, text), tokens)
	require.NoError(t, err)
}

// TestDeployVariablesExist finds a variable that is set somewhere and read nowhere.
func TestDeployVariablesExist(t *testing.T) {
	t.Parallel()
	var known []string
	for name := range Variables() {
		known = append(known, name)
	}
	entries, err := os.ReadDir("deploy")
	require.NoError(t, err)
	require.NotEmpty(t, entries)
	found := 0
	for _, e := range entries {
		text, err := os.ReadFile("deploy/" + e.Name())
		require.NoError(t, err)
		for _, name := range regexp.MustCompile(`RECYCLER_[A-Z_]+`).FindAllString(string(text), -1) {
			require.True(t, slices.Contains(known, name), "%s: %s", e.Name(), name)
			found++
		}
		if strings.HasSuffix(e.Name(), ".yaml") {
			require.NotEmpty(t, documents(t, "deploy/"+e.Name()), e.Name())
		}
	}
	require.GreaterOrEqual(t, found, 9)
}

// TestKubernetesManifests holds what a cluster's admission and its operators ask for: every kind is
// there once, selectors fit, nothing runs as root or writes outside its volumes, every path a
// container reads is mounted, and one process owns the SQLite file.
func TestKubernetesManifests(t *testing.T) {
	t.Parallel()
	by := map[string]map[string]any{}
	for _, d := range documents(t, "deploy/kubernetes.yaml") {
		kind := d["kind"].(string)
		require.NotContains(t, by, kind)
		by[kind] = d
	}
	versions := map[string]string{"ConfigMap": "v1", "Secret": "v1", "PersistentVolumeClaim": "v1", "Deployment": "apps/v1",
		"PodDisruptionBudget": "policy/v1", "NetworkPolicy": "networking.k8s.io/v1"}
	for kind, version := range versions {
		require.Contains(t, by, kind)
		require.Equal(t, version, by[kind]["apiVersion"], kind)
	}
	require.Len(t, by, len(versions))
	spec := at(t, by["Deployment"], "spec")
	require.Equal(t, 1, spec["replicas"])
	require.Equal(t, "Recreate", at(t, spec, "strategy")["type"])
	labels := at(t, spec, "template", "metadata", "labels")
	for _, selector := range []map[string]any{at(t, spec, "selector", "matchLabels"), at(t, by["PodDisruptionBudget"], "spec", "selector", "matchLabels"),
		at(t, by["NetworkPolicy"], "spec", "podSelector", "matchLabels")} {
		require.Equal(t, labels, selector)
	}
	pod := at(t, spec, "template", "spec")
	require.Equal(t, true, at(t, pod, "securityContext")["runAsNonRoot"])
	require.Equal(t, false, pod["automountServiceAccountToken"])
	c := pod["containers"].([]any)[0].(map[string]any)
	inside := at(t, c, "securityContext")
	require.Equal(t, true, inside["readOnlyRootFilesystem"])
	require.Equal(t, false, inside["allowPrivilegeEscalation"])
	require.Equal(t, []any{"ALL"}, at(t, inside, "capabilities")["drop"])
	for _, probe := range []string{"startupProbe", "livenessProbe", "readinessProbe"} {
		command := at(t, c, probe, "exec")["command"].([]any)
		require.Equal(t, []any{"/usr/bin/recycler", "health"}, command[:2], probe)
	}
	require.NotEmpty(t, at(t, c, "resources", "limits")["memory"])
	var volumes, mounts []any
	for _, v := range pod["volumes"].([]any) {
		volumes = append(volumes, v.(map[string]any)["name"])
	}
	paths := ""
	for _, m := range c["volumeMounts"].([]any) {
		mounts = append(mounts, m.(map[string]any)["name"])
		require.NotContains(t, m, "subPath", "a file mounted alone never changes")
		paths += m.(map[string]any)["mountPath"].(string) + "\n"
	}
	require.ElementsMatch(t, volumes, mounts)
	secret := at(t, by["Secret"], "stringData")
	for _, e := range c["env"].([]any) {
		value := e.(map[string]any)["value"].(string)
		require.Contains(t, secret, value[strings.LastIndexByte(value, '/')+1:])
		require.Contains(t, paths, value[:strings.LastIndexByte(value, '/')])
	}
	require.Equal(t, []any{"Ingress", "Egress"}, at(t, by["NetworkPolicy"], "spec")["policyTypes"])
}

// at follows keys into a document.
func at(t *testing.T, doc map[string]any, keys ...string) map[string]any {
	t.Helper()
	for _, key := range keys {
		next, ok := doc[key].(map[string]any)
		require.True(t, ok, "there is no %s", key)
		doc = next
	}
	return doc
}
