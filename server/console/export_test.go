package console

// Routes lists the patterns of all routes.
func (h *Handler) Routes() []string {
	var list []string
	for _, r := range h.routes() {
		list = append(list, r.pattern)
	}
	return list
}

// LocalPath is where a sign-in leads to.
func LocalPath(next string) string { return localPath(next) }
