package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"
)

// Configuration is what the process works with, and how a new one is taken.
type Configuration interface {
	// Reload reads the configuration again and puts it in force, or changes nothing and says why.
	Reload(ctx context.Context, by string) (Reloaded, error)
	State() ConfigState
	Settings() []ConfigSetting
}

// ConfigState says which configuration is in force and how the last reload went.
type ConfigState struct {
	Hash     string    `json:"hash" doc:"Equal for processes with the same configuration; secrets are not in it"`
	Since    time.Time `json:"since" doc:"When the configuration in force was read"`
	Restart  []string  `json:"restart" nullable:"false" doc:"Keys that were changed and count after a restart"`
	Mistakes []string  `json:"mistakes" nullable:"false" doc:"Why the last reload was refused; empty: it was not"`
	Accepted int64     `json:"-"` // reloads since the start
	Refused  int64     `json:"-"`
}

// ConfigSetting is one key with its value. A secret is <secret>.
type ConfigSetting struct {
	Path    string `json:"path" example:"clusters[db-prod].limits.max_lag"`
	Value   any    `json:"value"`
	Restart bool   `json:"restart,omitempty" doc:"A change counts after a restart"`
}

// ConfigView is the configuration in force.
type ConfigView struct {
	ConfigState
	Settings []ConfigSetting `json:"settings" nullable:"false"`
}

// Reloaded says what a reload changed.
type Reloaded struct {
	ConfigState
	Changes []string `json:"changes" nullable:"false" example:"[\"clusters[db-prod].limits.max_lag: 10s → 20s\"]"`
}

func (s *Server) configRoutes() {
	const path, tag = "/api/v1/config", "config"
	add(s, huma.Operation{OperationID: "get-config", Method: http.MethodGet, Path: path, Tags: []string{tag}, Summary: "The configuration in force, without its secrets"}, Admin,
		func(context.Context, *struct{}) (*struct{ Body ConfigView }, error) {
			if s.o.Config == nil {
				return nil, noConfig()
			}
			return &struct{ Body ConfigView }{ConfigView{s.o.Config.State(), s.o.Config.Settings()}}, nil
		})
	add(s, huma.Operation{OperationID: "reload-config", Method: http.MethodPost, Path: path + "/reload", Tags: []string{tag}, Summary: "Read the configuration again",
		Description: "All of it is checked first; one mistake and nothing changes. Running jobs keep what they started with."}, Admin,
		func(ctx context.Context, _ *struct{}) (*struct{ Body Reloaded }, error) {
			if s.o.Config == nil {
				return nil, noConfig()
			}
			by, err := s.person(ctx)
			if err != nil {
				return nil, err
			}
			out, err := s.o.Config.Reload(ctx, by.ID)
			if err != nil {
				return nil, err
			}
			return &struct{ Body Reloaded }{out}, nil
		})
}

func noConfig() *Problem {
	return refuse(http.StatusNotFound, "no_config", "This process has no configuration of its own.", "")
}

var (
	configGood = prometheus.NewDesc("recycler_config_last_reload_successful", "1 when the configuration file as it was last read is in force, 0 when it was refused.", nil, nil)
	configTime = prometheus.NewDesc("recycler_config_last_reload_success_timestamp_seconds", "When the configuration in force was read.", nil, nil)
	configRead = prometheus.NewDesc("recycler_config_reloads_total", "Reloads by what became of them.", []string{"result"}, nil)
	configInfo = prometheus.NewDesc("recycler_config_info", "The configuration in force; always 1. The hash has no secrets in it.", []string{"hash"}, nil)
	configWait = prometheus.NewDesc("recycler_config_restart_keys", "Changed keys that count after a restart.", nil, nil)
)

// collectConfig tells the state of the configuration.
func (a *asked) collectConfig(ch chan<- prometheus.Metric) {
	if a.s.o.Config == nil {
		return
	}
	c := a.s.o.Config.State()
	good := 1.0
	if len(c.Mistakes) > 0 {
		good = 0
	}
	ch <- prometheus.MustNewConstMetric(configGood, prometheus.GaugeValue, good)
	ch <- prometheus.MustNewConstMetric(configTime, prometheus.GaugeValue, float64(c.Since.UnixMilli())/1000)
	ch <- prometheus.MustNewConstMetric(configRead, prometheus.CounterValue, float64(c.Accepted), "accepted")
	ch <- prometheus.MustNewConstMetric(configRead, prometheus.CounterValue, float64(c.Refused), "refused")
	ch <- prometheus.MustNewConstMetric(configInfo, prometheus.GaugeValue, 1, c.Hash)
	ch <- prometheus.MustNewConstMetric(configWait, prometheus.GaugeValue, float64(len(c.Restart)))
}
