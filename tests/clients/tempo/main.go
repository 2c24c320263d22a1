// Asks a running service what Grafana's Tempo data source asks, and reads the answers with Tempo's
// own generated messages, of the version that Grafana is built with: JSON without unknown fields,
// traces as protobuf and as JSON. Then it looks at every pointer that the plugin follows without
// a check.
//
//	go run . http://127.0.0.1:8080/tempo TRACE_ID
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/golang/protobuf/jsonpb" //nolint:staticcheck // what Tempo's own client uses
	"github.com/golang/protobuf/proto"  //nolint:staticcheck
	"github.com/grafana/tempo/pkg/tempopb"
)

func main() {
	base, id := os.Args[1], os.Args[2]
	found := map[string]int{}
	var search tempopb.SearchResponse
	read(base, "/api/search", url.Values{"q": {"{}"}, "limit": {"5"}, "spss": {"3"}}, &search)
	found["traces"] = len(search.Traces)
	for _, one := range search.Traces {
		for _, set := range one.SpanSets {
			found["spans"] += len(set.Spans)
		}
	}
	var ranged tempopb.QueryRangeResponse
	by := url.Values{"q": {"{} | rate() by (resource.service.name)"}, "exemplars": {"5"}}
	read(base, "/api/metrics/query_range", by, &ranged)
	found["series"] = len(ranged.Series)
	found["sides"] = len(sides(base))
	found["places"] = placed(base)
	var instant tempopb.QueryInstantResponse
	read(base, "/api/metrics/query", by, &instant)
	found["numbers"] = len(instant.Series)
	var tags tempopb.SearchTagsV2Response
	read(base, "/api/v2/search/tags", url.Values{"limit": {"5000"}}, &tags)
	found["scopes"] = len(tags.Scopes)
	var values tempopb.SearchTagValuesV2Response
	read(base, "/api/v2/search/tag/resource.service.name/values", nil, &values)
	found["values"] = len(values.TagValues)
	var tagsV1 tempopb.SearchTagsResponse
	read(base, "/api/search/tags", nil, &tagsV1)
	found["tags v1"] = min(len(tagsV1.TagNames), 1)
	var valuesV1 tempopb.SearchTagValuesResponse
	read(base, "/api/search/tag/resource.service.name/values", nil, &valuesV1)
	found["values v1"] = len(valuesV1.TagValues)
	var v1, v1JSON tempopb.Trace
	check(proto.Unmarshal(get(base, "/api/traces/"+id, nil, "application/protobuf"), &v1))
	found["trace v1"] = spansOf(&v1)
	check(tempopb.UnmarshalFromJSONV1(get(base, "/api/traces/"+id, nil, "application/json"), &v1JSON))
	found["trace v1 as JSON"] = spansOf(&v1JSON)
	var v2, v2JSON tempopb.TraceByIDResponse
	check(proto.Unmarshal(get(base, "/api/v2/traces/"+id, nil, "application/protobuf"), &v2))
	found["trace v2"] = spansOf(v2.Trace)
	read(base, "/api/v2/traces/"+id, nil, &v2JSON)
	found["trace v2 as JSON"] = spansOf(v2JSON.Trace)
	check(json.NewEncoder(os.Stdout).Encode(found))
}

// sides returns the meta types of a comparison, as Traces Drilldown's comparison tab reads them: of
// labels it takes the first that does not begin with __.
func sides(base string) map[string]bool {
	var compared tempopb.QueryRangeResponse
	asked := url.Values{"q": {"{true} | compare({nestedSetParent<0}, 10)"}, "step": {"86400s"}}
	read(base, "/api/metrics/query_range", asked, &compared)
	found := map[string]bool{}
	for _, series := range compared.Series {
		if len(series.Labels) != 2 || series.Labels[1].Key[:2] == "__" {
			check(fmt.Errorf("a comparison has two labels: %v", series.Labels))
		}
		if series.Labels[0].Key == "__meta_type" {
			found[series.Labels[0].Value.GetStringValue()] = true
		}
	}
	return found
}

// placed counts the spans that the structure tab can draw: one set for each trace, and of each span
// its numbers in the tree.
func placed(base string) int {
	var search tempopb.SearchResponse
	query := "{nestedSetParent<0 && true} &>> {true} | select(status, resource.service.name, name, " +
		"nestedSetParent, nestedSetLeft, nestedSetRight)"
	read(base, "/api/search", url.Values{"q": {query}, "limit": {"200"}, "spss": {"20"}}, &search)
	found := 0
	for _, one := range search.Traces {
		if len(one.SpanSets) != 1 {
			check(fmt.Errorf("%d sets of spans", len(one.SpanSets)))
		}
		for _, span := range one.SpanSets[0].Spans {
			numbers := map[string]int64{}
			for _, attribute := range span.Attributes {
				numbers[attribute.Key] = attribute.Value.GetIntValue()
			}
			if 0 < numbers["nestedSetLeft"] && numbers["nestedSetLeft"] < numbers["nestedSetRight"] {
				found++
			}
		}
	}
	return found
}

func read(base, path string, query url.Values, into proto.Message) {
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

func spansOf(trace *tempopb.Trace) int {
	if trace == nil {
		check(fmt.Errorf("no trace in the answer"))
	}
	spans := 0
	for _, resource := range trace.ResourceSpans {
		if resource.Resource == nil || len(resource.Resource.Attributes) == 0 {
			check(fmt.Errorf("a resource without attributes"))
		}
		for _, scope := range resource.ScopeSpans {
			if scope.Scope == nil {
				check(fmt.Errorf("no scope"))
			}
			for _, span := range scope.Spans {
				if span.Status == nil || len(span.TraceId) != 16 || len(span.SpanId) != 8 {
					check(fmt.Errorf("a span without status or ids"))
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
