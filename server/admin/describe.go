package admin

import (
	"net/http"
	"sync"

	"github.com/danielgtaylor/huma/v2"
)

// describe serves the API's description in each form that there is. The library would
// make each at its first request, without a lock: two who ask at once would race.
func describe(mux *http.ServeMux, api *huma.OpenAPI) {
	for form, write := range map[string]func() ([]byte, error){
		".json": api.MarshalJSON, "-3.0.json": api.Downgrade, ".yaml": api.YAML, "-3.0.yaml": api.DowngradeYAML,
	} {
		kind := "application/openapi+" + form[len(form)-len("json"):]
		made := sync.OnceValues(write)
		mux.HandleFunc("GET /api/openapi"+form, func(w http.ResponseWriter, _ *http.Request) {
			text, err := made()
			if err != nil {
				http.Error(w, "The description could not be made.", http.StatusInternalServerError)
				return
			}
			w.Header().Set("Content-Type", kind)
			_, _ = w.Write(text) // a client that hung up is nobody's error
		})
	}
}
