package import Telemetry

/// Topics of which no source maps anything, with how often and a sample: the most frequent ones.
///
/// At the limit a new topic takes the place of the rarest and inherits its count, so that what
/// comes often is never crowded out by what comes once (Metwally, Agrawal and El Abbadi,
/// "Efficient computation of frequent and top-k elements", 2005). A count may therefore be too
/// high by `inherited`, never too low.
package struct IgnoredTopics: Sendable {
    package struct Topic: Sendable, Equatable {
        /// The first source whose topic matches.
        package var source: String
        package var topic: String
        package var count: Int
        /// How much of `count` may be another topic's.
        package var inherited: Int
        package var lastAt: Timestamp
        /// The beginning of the last payload.
        package var sample: [UInt8]
    }

    private var topics: [Topic] = []
    private var places: [[UInt8]: Int] = [:]

    package init() {}

    /// The most frequent first.
    package var mostFrequent: [Topic] {
        topics.sorted { ($0.count, $1.topic) > ($1.count, $0.topic) }
    }

    mutating func note(
        _ topic: Span<UInt8>,
        _ payload: Span<UInt8>,
        source: String,
        at now: Timestamp
    ) {
        var key: [UInt8] = []
        for index in 0..<topic.count { key.append(topic[index]) }
        var sample: [UInt8] = []
        for index in 0..<min(payload.count, Limits.ignoredSampleBytesMax) {
            sample.append(payload[index])
        }
        if let place = places[key] {
            topics[place].count += 1
            topics[place].lastAt = now
            topics[place].sample = sample
            return
        }
        var entry = Topic(
            source: source,
            topic: String(decoding: key, as: UTF8.self),
            count: 1,
            inherited: 0,
            lastAt: now,
            sample: sample
        )
        guard topics.count >= Limits.ignoredTopicsMax,
            let rarest = topics.indices.min(by: { topics[$0].count < topics[$1].count })
        else {
            places[key] = topics.count
            topics.append(entry)
            return
        }
        entry.inherited = topics[rarest].count
        entry.count += entry.inherited
        places[Array(topics[rarest].topic.utf8)] = nil
        places[key] = rarest
        topics[rarest] = entry
    }
}
