/// The form in which programs read what happens, over webhooks and over MQTT.
package enum EventFormat: String, CaseIterable, Sendable {
    /// The gateway's own JSON.
    case gateway
    /// CloudEvents 1.0 in structured mode; its `data` is the gateway's own JSON.
    case cloudEvents = "cloudevents"
}
