// Vercel's AI SDK, versions 4 to 7, with its own tracing. The harness names the version.
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";
import * as ai from "ai";
import { createOpenAI } from "@ai-sdk/openai";
import { z } from "zod";

const version = Number(process.argv[2]);
const { GOLDEN_SCENARIO: scenario, GOLDEN_PROMPT: prompt, GOLDEN_STAND_IN: standIn } = process.env;
const system = "You are a terse geographer.";
const maxRetries = 0;

const exporter = new OTLPTraceExporter();
const provider = new NodeTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter)] });
provider.register();

const experimental_telemetry = {
  isEnabled: true,
  functionId: "golden",
  metadata: { userId: "user-1", tenant: "acme" },
};
let traced = { experimental_telemetry };
if (version >= 7) {
  const { OpenTelemetry } = await import("@ai-sdk/otel");
  ai.registerTelemetry(new OpenTelemetry());
  traced = { telemetry: { isEnabled: true, functionId: "golden" } };
}

const openai = createOpenAI({
  baseURL: `${standIn}/v1`,
  apiKey: "golden",
  // Version 4 asks for a stream's usage only of the real OpenAI.
  compatibility: scenario === "stream_no_usage" ? "compatible" : "strict",
});
const chat = (name) => (version >= 5 ? openai.chat(name) : openai(name));
const claude = async () => {
  const { createAnthropic } = await import("@ai-sdk/anthropic");
  return createAnthropic({ baseURL: `${standIn}/v1`, apiKey: "golden" })("claude-haiku-4-5");
};

const getWeather = ai.tool({
  description: "Tell the weather in a city.",
  [version >= 5 ? "inputSchema" : "parameters"]: z.object({ city: z.string() }),
  execute: async ({ city }) => `${city}: sunny, 21 degrees`,
});
const steps = version >= 5 ? { stopWhen: ai.stepCountIs?.(3) ?? ai.isStepCount?.(3) } : { maxSteps: 3 };

const common = { [version >= 7 ? "instructions" : "system"]: system, prompt, maxRetries, ...traced };
const ask = (model, more = {}) => ai.generateText({ model, ...common, ...more });
const stream = async (model, more = {}) => {
  const answer = ai.streamText({ model, ...common, onError: () => {}, ...more });
  for await (const _ of answer.textStream);
};

const scenarios = {
  chat: () => ask(chat("gpt-4o-mini")),
  stream: () => stream(chat("gpt-4o-mini")),
  stream_no_usage: () => stream(chat("gpt-4o-mini")),
  cache_read: () => ask(chat("gpt-4o-mini")),
  reasoning: () => ask(chat("o4-mini")),
  responses: () => ask(openai.responses("gpt-4o-mini")),
  agent: () => ask(chat("gpt-4o-mini"), { tools: { get_weather: getWeather }, ...steps }),
  agent_stream: () => stream(chat("gpt-4o-mini"), { tools: { get_weather: getWeather }, ...steps }),
  object: () =>
    ai.generateObject({
      model: chat("gpt-4o-mini"),
      ...common,
      schema: z.object({ capital: z.string() }),
    }),
  embeddings: () =>
    ai.embed({
      model: openai.embedding("text-embedding-3-small"),
      value: prompt,
      maxRetries,
      ...traced,
    }),
  error: () => ask(chat("gpt-4o-mini")).catch(() => {}),
  anthropic_cache: async () => ask(await claude()),
  anthropic_cache_small: async () => ask(await claude()),
  anthropic_stream: async () => stream(await claude()),
};

await scenarios[scenario]();
await provider.forceFlush();
await provider.shutdown();
