// Stands in for @grafana/assistant, a peer that the flame graph imports and we do not draw.
exports.OpenAssistantButton = () => null;
exports.useAssistant = () => ({ isAvailable: false, isLoading: false });
