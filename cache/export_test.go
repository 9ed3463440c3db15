package cache

// Settle finishes the evictions that otherwise happen in the background.
func (m *Memory) Settle() { m.entries.CleanUp() }
