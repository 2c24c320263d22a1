"""The messages of Pyroscope's API that are read or written here, by field number.

They are declared as data, which this module makes classes from: so there is no generated file to
keep fresh and no generator to install, and the table reads like the fields it stands for. Names and
numbers: github.com/grafana/pyroscope, api/querier/v1, api/types/v1, api/settings/v1, api/google/v1.
A field that is not listed is skipped when it comes.
"""

from __future__ import annotations

from typing import Any, cast

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "bool": _Field.TYPE_BOOL,
    "bytes": _Field.TYPE_BYTES,
    "double": _Field.TYPE_DOUBLE,
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "string": _Field.TYPE_STRING,
    "uint64": _Field.TYPE_UINT64,
}

_ENUMS: dict[str, tuple[str, ...]] = {
    "querier.v1.ProfileFormat": (
        *("PROFILE_FORMAT_UNSPECIFIED", "PROFILE_FORMAT_FLAMEGRAPH", "PROFILE_FORMAT_TREE"),
        *("PROFILE_FORMAT_DOT", "PROFILE_FORMAT_PPROF"),
    ),
    "querier.v1.HeatmapQueryType": (
        *("HEATMAP_QUERY_TYPE_UNSPECIFIED", "HEATMAP_QUERY_TYPE_INDIVIDUAL"),
        "HEATMAP_QUERY_TYPE_SPAN",
    ),
    "types.v1.TimeSeriesAggregationType": (
        "TIME_SERIES_AGGREGATION_TYPE_SUM",
        "TIME_SERIES_AGGREGATION_TYPE_AVERAGE",
    ),
    "types.v1.ExemplarType": (
        *("EXEMPLAR_TYPE_UNSPECIFIED", "EXEMPLAR_TYPE_NONE"),
        *("EXEMPLAR_TYPE_INDIVIDUAL", "EXEMPLAR_TYPE_SPAN"),
    ),
}

# Message: its fields as "name number type", "[]" behind the type of a repeated one.
_MESSAGES: dict[str, str] = {
    "types.v1.LabelPair": "name 1 string, value 2 string",
    "types.v1.Labels": "labels 1 types.v1.LabelPair[]",
    "types.v1.ProfileType": (
        "ID 1 string, name 2 string, sample_type 4 string, sample_unit 5 string, "
        "period_type 6 string, period_unit 7 string"
    ),
    "types.v1.Exemplar": (
        "timestamp 1 int64, profile_id 2 string, span_id 3 string, value 4 int64, "
        "labels 5 types.v1.LabelPair[], trace_id 6 string"
    ),
    "types.v1.Point": "value 1 double, timestamp 2 int64, exemplars 4 types.v1.Exemplar[]",
    "types.v1.Series": "labels 1 types.v1.LabelPair[], points 2 types.v1.Point[]",
    "types.v1.HeatmapSlot": (
        "timestamp 1 int64, y_min 2 double[], counts 3 int32[], exemplars 4 types.v1.Exemplar[]"
    ),
    "types.v1.HeatmapSeries": ("labels 1 types.v1.LabelPair[], slots 2 types.v1.HeatmapSlot[]"),
    "types.v1.Location": "name 1 string",
    "types.v1.GoPGO": "",
    "types.v1.StackTraceSelector": "call_site 1 types.v1.Location[], go_pgo 2 types.v1.GoPGO",
    "types.v1.LabelNamesRequest": "matchers 1 string[], start 2 int64, end 3 int64",
    "types.v1.LabelNamesResponse": "names 1 string[]",
    "types.v1.LabelValuesRequest": "name 1 string, matchers 2 string[], start 3 int64, end 4 int64",
    "types.v1.LabelValuesResponse": "names 1 string[]",
    "types.v1.GetProfileStatsRequest": "",
    "types.v1.GetProfileStatsResponse": (
        "data_ingested 1 bool, oldest_profile_time 2 int64, newest_profile_time 3 int64"
    ),
    "google.v1.ValueType": "type 1 int64, unit 2 int64",
    "google.v1.Sample": "location_id 1 uint64[], value 2 int64[]",
    "google.v1.Line": "function_id 1 uint64",
    "google.v1.Location": "id 1 uint64, line 4 google.v1.Line[]",
    "google.v1.Function": "id 1 uint64, name 2 int64",
    "google.v1.Profile": (
        "sample_type 1 google.v1.ValueType[], sample 2 google.v1.Sample[], "
        "location 4 google.v1.Location[], function 5 google.v1.Function[], "
        "string_table 6 string[], time_nanos 9 int64, duration_nanos 10 int64, "
        "period_type 11 google.v1.ValueType, period 12 int64"
    ),
    "querier.v1.ProfileTypesRequest": "start 1 int64, end 2 int64",
    "querier.v1.ProfileTypesResponse": "profile_types 1 types.v1.ProfileType[]",
    "querier.v1.SeriesRequest": (
        "matchers 1 string[], label_names 2 string[], start 3 int64, end 4 int64"
    ),
    "querier.v1.SeriesResponse": "labels_set 2 types.v1.Labels[]",
    "querier.v1.Level": "values 1 int64[]",
    "querier.v1.FlameGraph": (
        "names 1 string[], levels 2 querier.v1.Level[], total 3 int64, max_self 4 int64"
    ),
    "querier.v1.FlameGraphDiff": (
        "names 1 string[], levels 2 querier.v1.Level[], total 3 int64, max_self 4 int64, "
        "leftTicks 5 int64, rightTicks 6 int64"
    ),
    "querier.v1.PprofProfile": "profile 1 google.v1.Profile",
    "querier.v1.SelectMergeStacktracesRequest": (
        "profile_typeID 1 string, label_selector 2 string, start 3 int64, end 4 int64, "
        "max_nodes 5 int64, format 6 querier.v1.ProfileFormat, "
        "stack_trace_selector 7 types.v1.StackTraceSelector, profile_id_selector 8 string[], "
        "trace_id_selector 10 string[], span_selector 11 string[]"
    ),
    "querier.v1.SelectMergeStacktracesResponse": (
        "flamegraph 1 querier.v1.FlameGraph, tree 2 bytes, dot 3 string, "
        "pprof 5 querier.v1.PprofProfile"
    ),
    "querier.v1.SelectMergeSpanProfileRequest": (
        "profile_typeID 1 string, label_selector 2 string, span_selector 3 string[], "
        "start 4 int64, end 5 int64, max_nodes 6 int64, format 7 querier.v1.ProfileFormat"
    ),
    "querier.v1.SelectMergeSpanProfileResponse": (
        "flamegraph 1 querier.v1.FlameGraph, tree 2 bytes"
    ),
    "querier.v1.SelectMergeProfileRequest": (
        "profile_typeID 1 string, label_selector 2 string, start 3 int64, end 4 int64, "
        "max_nodes 5 int64, stack_trace_selector 6 types.v1.StackTraceSelector, "
        "profile_id_selector 7 string[], trace_id_selector 8 string[]"
    ),
    "querier.v1.SelectSeriesRequest": (
        "profile_typeID 1 string, label_selector 2 string, start 3 int64, end 4 int64, "
        "group_by 5 string[], step 6 double, aggregation 7 types.v1.TimeSeriesAggregationType, "
        "stack_trace_selector 8 types.v1.StackTraceSelector, limit 9 int64, "
        "exemplar_type 10 types.v1.ExemplarType"
    ),
    "querier.v1.SelectSeriesResponse": "series 1 types.v1.Series[]",
    "querier.v1.SelectHeatmapRequest": (
        "profile_typeID 1 string, label_selector 2 string, start 3 int64, end 4 int64, "
        "step 5 double, group_by 6 string[], query_type 7 querier.v1.HeatmapQueryType, "
        "exemplar_type 8 types.v1.ExemplarType, limit 9 int64"
    ),
    "querier.v1.SelectHeatmapResponse": "series 1 types.v1.HeatmapSeries[]",
    "querier.v1.DiffRequest": (
        "left 1 querier.v1.SelectMergeStacktracesRequest, "
        "right 2 querier.v1.SelectMergeStacktracesRequest"
    ),
    "querier.v1.DiffResponse": "flamegraph 1 querier.v1.FlameGraphDiff",
    "querier.v1.AnalyzeQueryRequest": "start 2 int64, end 3 int64, query 4 string",
    "querier.v1.QueryScope": (
        "component_type 1 string, component_count 2 uint64, sample_count 6 uint64"
    ),
    "querier.v1.QueryImpact": "total_queried_series 3 uint64",
    "querier.v1.AnalyzeQueryResponse": (
        "query_scopes 1 querier.v1.QueryScope[], query_impact 2 querier.v1.QueryImpact"
    ),
    "settings.v1.GetSettingsRequest": "",
    "settings.v1.Setting": "name 1 string, value 2 string, modifiedAt 3 int64",
    "settings.v1.GetSettingsResponse": "settings 1 settings.v1.Setting[]",
}


def new(name: str, /, **fields: Any) -> Any:
    """Return a message of a type, `querier.v1.FlameGraph` for example, with these fields."""
    return cast("Any", _CLASSES[name])(**fields)


def _classes() -> dict[str, type[Message]]:
    pool = descriptor_pool.DescriptorPool()
    # One file for each package; what another needs is added before it.
    for package in ("types.v1", "google.v1", "settings.v1", "querier.v1"):
        file = descriptor_pb2.FileDescriptorProto(
            name=f"{package}.proto", package=package, syntax="proto3"
        )
        if package == "querier.v1":
            file.dependency.extend(["types.v1.proto", "google.v1.proto"])
        for name, words in _ENUMS.items():
            if name.startswith(f"{package}."):
                enum = file.enum_type.add(name=name.rpartition(".")[2])
                for number, word in enumerate(words):
                    enum.value.add(name=word, number=number)
        for name, fields in _MESSAGES.items():
            if name.startswith(f"{package}."):
                _declare(file.message_type.add(name=name.rpartition(".")[2]), fields)
        pool.Add(file)
    found: dict[str, Descriptor] = {name: pool.FindMessageTypeByName(name) for name in _MESSAGES}
    return {name: message_factory.GetMessageClass(each) for name, each in found.items()}


def _declare(message: descriptor_pb2.DescriptorProto, fields: str) -> None:
    for declared in filter(None, fields.split(", ")):
        name, number, written = declared.split(" ")
        type_ = written.removesuffix("[]")
        field = message.field.add(name=name, number=int(number))
        field.label = _Field.LABEL_REPEATED if written != type_ else _Field.LABEL_OPTIONAL
        if type_ in _SCALARS:
            field.type = _SCALARS[type_]
        else:
            field.type = _Field.TYPE_ENUM if type_ in _ENUMS else _Field.TYPE_MESSAGE
            field.type_name = f".{type_}"


_CLASSES = _classes()
