package queue_test

import "testing"

func TestBacklogs(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		if all, err := h.q.Backlogs(h.ctx(), 9); err != nil || len(all) != 0 {
			t.Errorf("of an empty queue: %v, %v", all, err)
		}
		h.put("a@few.example")
		first := h.put("a@most.example")
		h.put("b@most.example c@last.example")
		h.put("d@most.example e@few.example")
		all, err := h.q.Backlogs(h.ctx(), 2)
		if err != nil || len(all) != 2 {
			t.Fatalf("%v, %v", all, err)
		}
		if d := all[0]; d.Name != "most.example" || d.Messages != 3 || d.First.Trace != first || d.First.Destination != d.Name {
			t.Errorf("most waits for %+v", d)
		}
		if d := all[1]; d.Name != "few.example" || d.Messages != 2 {
			t.Errorf("then for %+v", d)
		}
	})
}
