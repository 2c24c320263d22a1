module llm-observatory.test/tempo

go 1.26.0

require (
	github.com/gogo/protobuf v1.3.2
	go.opentelemetry.io/proto/otlp v1.11.1
	google.golang.org/protobuf v1.36.12
)
