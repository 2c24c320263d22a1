// Asks a running service what Grafana's Tempo data source asks, and reads the answers as strictly:
// JSON by gogo's jsonpb without unknown fields, traces by the generated OTLP messages, and then
// looks at every pointer that the plugin follows without a check.
//
//	go run . http://127.0.0.1:8080/tempo TRACE_ID
package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/gogo/protobuf/jsonpb"
	gogo "github.com/gogo/protobuf/proto"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

func main() {
	base, id := os.Args[1], os.Args[2]
	found := map[string]int{}
	var search SearchResponse
	read(base, "/api/search", url.Values{"q": {"{}"}, "limit": {"5"}, "spss": {"3"}}, &search)
	found["traces"] = len(search.Traces)
	for _, one := range search.Traces {
		for _, set := range one.SpanSets {
			found["spans"] += len(set.Spans)
		}
	}
	var ranged QueryRangeResponse
	by := url.Values{"q": {"{} | rate() by (resource.service.name)"}, "exemplars": {"5"}}
	read(base, "/api/metrics/query_range", by, &ranged)
	found["series"] = len(ranged.Series)
	var instant QueryInstantResponse
	read(base, "/api/metrics/query", by, &instant)
	found["numbers"] = len(instant.Series)
	var tags SearchTagsV2Response
	read(base, "/api/v2/search/tags", url.Values{"limit": {"5000"}}, &tags)
	found["scopes"] = len(tags.Scopes)
	var values SearchTagValuesV2Response
	read(base, "/api/v2/search/tag/resource.service.name/values", nil, &values)
	found["values"] = len(values.TagValues)
	found["trace v1"] = spansOf(get(base, "/api/traces/"+id, nil, "application/protobuf"))
	found["trace v2"] = spansOf(unwrapped(get(base, "/api/v2/traces/"+id, nil, "application/protobuf")))
	check(json.NewEncoder(os.Stdout).Encode(found))
}

func read(base, path string, query url.Values, into gogo.Message) {
	check(jsonpb.UnmarshalString(string(get(base, path, query, "application/json")), into))
}

func get(base, path string, query url.Values, accept string) []byte {
	request, err := http.NewRequest("GET", base+path+"?"+query.Encode(), nil)
	check(err)
	request.Header.Set("Accept", accept)
	client := http.Client{Timeout: 30 * time.Second}
	answer, err := client.Do(request)
	check(err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	check(err)
	if answer.StatusCode != 200 {
		check(fmt.Errorf("%s: %d %s", path, answer.StatusCode, body))
	}
	return body
}

// unwrapped returns field 1 of a TraceByIDResponse, which has to be there.
func unwrapped(body []byte) []byte {
	length, after := binary.Uvarint(body[1:])
	if body[0] != 0x0a || 1+after+int(length) != len(body) {
		check(fmt.Errorf("no trace in the answer"))
	}
	return body[1+after:]
}

func spansOf(body []byte) int {
	var data trace.TracesData
	check(proto.Unmarshal(body, &data))
	spans := 0
	for _, resource := range data.ResourceSpans {
		if resource.Resource == nil || len(resource.Resource.Attributes) == 0 {
			check(fmt.Errorf("a resource without attributes"))
		}
		for _, scope := range resource.ScopeSpans {
			if scope.Scope == nil {
				check(fmt.Errorf("no scope"))
			}
			for _, span := range scope.Spans {
				if span.Status == nil {
					check(fmt.Errorf("no status"))
				}
				spans++
			}
		}
	}
	return spans
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
