package pages

import "net/http"

// green is the all green page.
func (s *Site) green(w http.ResponseWriter, r *http.Request) {
	s.render(w, r, "green", "All green", nil)
}
