// Command pyroscope calls one procedure of Pyroscope's API with the generated client, as Grafana's
// data source does, and prints the answer as JSON:
//
//	pyroscope http://localhost:8080/pyroscope SelectSeries '{"profileTypeID": "..."}'
//
// An error of the protocol is printed as {"code": ..., "message": ...}; the exit code is then 3.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"

	"connectrpc.com/connect"
	querierv1 "github.com/grafana/pyroscope/api/gen/proto/go/querier/v1"
	"github.com/grafana/pyroscope/api/gen/proto/go/querier/v1/querierv1connect"
	typesv1 "github.com/grafana/pyroscope/api/gen/proto/go/types/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// ask reads the request of a procedure from JSON, calls it, and returns the answer.
func ask[Q, A any](
	procedure func(context.Context, *connect.Request[Q]) (*connect.Response[A], error), text string,
) (proto.Message, error) {
	question := new(Q)
	if err := protojson.Unmarshal([]byte(text), any(question).(proto.Message)); err != nil {
		return nil, err
	}
	answer, err := procedure(context.Background(), connect.NewRequest(question))
	if err != nil {
		return nil, err
	}
	return any(answer.Msg).(proto.Message), nil
}

func call(client querierv1connect.QuerierServiceClient, procedure, text string) (proto.Message, error) {
	switch procedure {
	case "ProfileTypes":
		return ask[querierv1.ProfileTypesRequest](client.ProfileTypes, text)
	case "LabelNames":
		return ask[typesv1.LabelNamesRequest](client.LabelNames, text)
	case "LabelValues":
		return ask[typesv1.LabelValuesRequest](client.LabelValues, text)
	case "Series":
		return ask[querierv1.SeriesRequest](client.Series, text)
	case "SelectMergeStacktraces":
		return ask[querierv1.SelectMergeStacktracesRequest](client.SelectMergeStacktraces, text)
	case "SelectMergeSpanProfile":
		return ask[querierv1.SelectMergeSpanProfileRequest](client.SelectMergeSpanProfile, text)
	case "SelectMergeProfile":
		return ask[querierv1.SelectMergeProfileRequest](client.SelectMergeProfile, text)
	case "SelectSeries":
		return ask[querierv1.SelectSeriesRequest](client.SelectSeries, text)
	case "SelectHeatmap":
		return ask[querierv1.SelectHeatmapRequest](client.SelectHeatmap, text)
	case "Diff":
		return ask[querierv1.DiffRequest](client.Diff, text)
	case "GetProfileStats":
		return ask[typesv1.GetProfileStatsRequest](client.GetProfileStats, text)
	case "AnalyzeQuery":
		return ask[querierv1.AnalyzeQueryRequest](client.AnalyzeQuery, text)
	}
	return nil, fmt.Errorf("no procedure %q", procedure)
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: pyroscope URL PROCEDURE JSON")
		os.Exit(2)
	}
	client := querierv1connect.NewQuerierServiceClient(http.DefaultClient, os.Args[1])
	answer, err := call(client, os.Args[2], os.Args[3])
	var refused *connect.Error
	if errors.As(err, &refused) {
		_ = json.NewEncoder(os.Stdout).Encode(map[string]string{
			"code": refused.Code().String(), "message": refused.Message(),
		})
		os.Exit(3)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(protojson.Format(answer))
}
