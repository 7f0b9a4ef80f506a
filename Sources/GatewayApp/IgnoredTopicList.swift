/// What a gateway that runs does not map, through its API.
package enum IgnoredTopicList {
    private struct Health: Decodable {
        struct Ignored: Decodable {
            var source: String
            var topic: String
            var count: Int
            var inherited: Int
            var lastAt: String
            var sample: String
        }

        var ignored: [Ignored]
    }

    /// One line per topic, the most frequent first: source, topic, how often, and a sample.
    package static func lines(_ gateway: GatewayClient) async throws -> [String] {
        let health: Health = try await gateway.call("GET", "/health")
        return health.ignored.map { topic in
            let least = topic.count - topic.inherited
            let count =
                topic.inherited == 0 ? "\(topic.count) times" : "\(least) to \(topic.count) times"
            let sample = topic.sample.split(whereSeparator: \.isNewline).joined(separator: " ")
            return "\(topic.source)   \(topic.topic)   \(count), last \(topic.lastAt)   \(sample)"
        }
    }
}
