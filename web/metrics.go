package web

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are the figures of one server, in a registry of its own. What the
// packages of the house count themselves is read from them when somebody asks;
// what nobody else counts, the turns of SMTP sessions, is counted here.
type Metrics struct {
	registry *prometheus.Registry
	Sessions Turns
}

// prefix begins the name of each of our figures.
const prefix = "allgreen_"

// NewMetrics is a set of figures that knows the process and nothing else yet.
func NewMetrics() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	m.Sessions = newTurns(m.registry)
	return m
}

// Shape says whether a figure only grows.
type Shape int

// The shapes.
const (
	Counter Shape = iota // grows until the process ends
	Gauge                // is what it is now
)

// Family is one figure, or one per value of its labels, read when somebody asks.
type Family struct {
	Name   string // without the prefix: "queue_messages"
	Help   string
	Shape  Shape
	Labels []string
	// Read emits the figure once for each combination of the labels' values, in their
	// order. It must be quick, and it must not fail: what cannot be seen is left out.
	Read func(emit func(value float64, labels ...string))
}

// Add registers families. A name that exists already is a bug and panics.
func (m *Metrics) Add(families ...Family) {
	for _, f := range families {
		kind := prometheus.CounterValue
		if f.Shape == Gauge {
			kind = prometheus.GaugeValue
		}
		m.registry.MustRegister(reader{f, kind, prometheus.NewDesc(prefix+f.Name, f.Help, f.Labels, nil)})
	}
}

// Handler answers in the format that Prometheus reads.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// reader is a family as Prometheus wants it.
type reader struct {
	Family
	kind prometheus.ValueType
	desc *prometheus.Desc
}

// Describe tells the one description.
func (r reader) Describe(out chan<- *prometheus.Desc) { out <- r.desc }

// Collect reads the figure now.
func (r reader) Collect(out chan<- prometheus.Metric) {
	r.Read(func(value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(r.desc, r.kind, value, labels...)
	})
}
