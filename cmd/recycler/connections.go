package main

import "github.com/prometheus/client_golang/prometheus"

// openConnections shows the connections to database servers as a metric, one line a cluster.
type openConnections struct{ conf *current }

var connectionsNow = prometheus.NewDesc("recycler_mysql_connections", "Open connections to database servers.", []string{"cluster"}, nil)

// Describe implements prometheus.Collector.
func (openConnections) Describe(ch chan<- *prometheus.Desc) { ch <- connectionsNow }

// Collect implements prometheus.Collector. Configured clusters are there from the start.
func (o openConnections) Collect(ch chan<- prometheus.Metric) {
	open := o.conf.connections.Open()
	for _, cl := range o.conf.Load().config.Clusters {
		open[cl.Name] += 0
	}
	for cluster, n := range open {
		ch <- prometheus.MustNewConstMetric(connectionsNow, prometheus.GaugeValue, float64(n), cluster)
	}
}
