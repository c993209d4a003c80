package main

import (
	"context"
	"slices"
	"time"

	"github.com/allgreen-mail/allgreen/store"
	"github.com/allgreen-mail/allgreen/web"
)

// figures are what the packages count, for Prometheus.
func (s *server) figures() []web.Family {
	return slices.Concat(s.storeFigures(), s.queueFigures(), s.deliveryFigures(), s.reading.figures(), s.certificateFigures(), s.edge.figures(), s.backupFigures(), s.watchFigures(), s.gate.figures())
}

// storeFigures show how many transactions share a commit and how many messages a
// sync: the reason why this server is fast and safe at once.
func (s *server) storeFigures() []web.Family {
	figure := func(name, help string, shape web.Shape, read func(store.Stats) float64) web.Family {
		return web.Family{Name: name, Help: help, Shape: shape, Read: func(emit func(float64, ...string)) { emit(read(s.store.Stats())) }}
	}
	return []web.Family{
		figure("store_transactions_total", "Transactions committed.", web.Counter, func(t store.Stats) float64 { return float64(t.Transactions) }),
		figure("store_commits_total", "Commits; several transactions share one.", web.Counter, func(t store.Stats) float64 { return float64(t.Commits) }),
		figure("store_failed_total", "Transactions that failed.", web.Counter, func(t store.Stats) float64 { return float64(t.Failed) }),
		figure("store_syncs_total", "Syncs to the disk.", web.Counter, func(t store.Stats) float64 { return float64(t.Syncs) }),
		figure("store_wal_bytes", "Bytes in the write-ahead log.", web.Gauge, func(t store.Stats) float64 { return float64(t.WAL) }),
		figure("store_checkpoint_seconds_total", "Time spent copying the log into the database.", web.Counter, func(t store.Stats) float64 { return t.CheckpointTime.Seconds() }),
		figure("messages_per_fsync", "Messages accepted per sync to the disk since the start.", web.Gauge, func(t store.Stats) float64 {
			return s.messages() / max(1, float64(t.Syncs))
		}),
		{Name: "store_free_bytes", Help: "Room on the disk of the data folder.", Shape: web.Gauge, Read: func(emit func(float64, ...string)) {
			if room, err := s.store.Room(context.Background()); err == nil {
				emit(float64(room.Free))
			}
		}},
	}
}

// messages is how many were accepted since the start, over all generations.
func (s *server) messages() float64 { return s.metrics.Sessions.Accepted() }

// figurePatience is how long a figure may take to be read.
const figurePatience = 2 * time.Second

func (s *server) queueFigures() []web.Family {
	return []web.Family{
		{Name: "queue_messages", Help: "Messages that wait, each once for every destination.", Shape: web.Gauge, Labels: []string{"state"}, Read: func(emit func(float64, ...string)) {
			ctx, cancel := context.WithTimeout(context.Background(), figurePatience)
			defer cancel()
			if q, err := s.queue.Stats(ctx); err == nil {
				emit(float64(q.Waiting-q.Deferred), "new")
				emit(float64(q.Deferred), "deferred")
				emit(float64(q.Held), "held")
			}
		}},
		{Name: "queue_oldest_seconds", Help: "How long the oldest message has waited.", Shape: web.Gauge, Read: func(emit func(float64, ...string)) {
			ctx, cancel := context.WithTimeout(context.Background(), figurePatience)
			defer cancel()
			q, err := s.queue.Stats(ctx)
			switch {
			case err != nil:
			case q.Oldest.IsZero():
				emit(0)
			default:
				emit(s.world.Now().Sub(q.Oldest).Seconds())
			}
		}},
	}
}

func (s *server) deliveryFigures() []web.Family {
	return []web.Family{
		{Name: "delivery_recipients_total", Help: "Recipients that delivery was over for, or put off, by outcome.", Labels: []string{"outcome"}, Read: func(emit func(float64, ...string)) {
			d := s.delivery.now.Load().Stats()
			emit(float64(d.Sent), "sent")
			emit(float64(d.Deferred), "deferred")
			emit(float64(d.Failed), "failed")
		}},
		{Name: "delivery_connections", Help: "Connections to other servers now.", Shape: web.Gauge, Read: func(emit func(float64, ...string)) {
			emit(float64(s.delivery.now.Load().Stats().Connections))
		}},
	}
}

func (s *server) certificateFigures() []web.Family {
	return []web.Family{{
		Name: "certificate_expires_seconds", Help: "How long the certificate of a name is still good.", Shape: web.Gauge, Labels: []string{"name", "source"},
		Read: func(emit func(float64, ...string)) {
			for _, h := range s.identity.Health() {
				emit(h.Expires.Sub(s.world.Now()).Seconds(), h.Name.String(), string(h.Source))
			}
		},
	}}
}
