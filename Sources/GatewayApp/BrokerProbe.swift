import Glibc
import MQTTSource
import Telemetry

/// A short-lived client that asks a broker questions: connects, publishes, listens, counts.
///
/// Isolation: one thread; it blocks.
final class BrokerProbe {
    private let session: BrokerSession
    private let seen = Seen()

    private final class Seen {
        var messages: [(topic: String, payload: [UInt8])] = []
    }

    /// Connects; the session lives `expirySeconds` longer than the connection.
    init(_ address: BrokerAddress) throws(BrokerError) {
        session = try BrokerSession(address)
        session.onPublish { [seen] publish in
            unsafe seen.messages.append(
                (
                    String(decoding: publish.topic, as: UTF8.self),
                    Array(publish.payload.prefix(Limits.payloadBytesMax))
                )
            )
        }
        try connect()
    }

    func connect() throws(BrokerError) {
        try session.connect()
        for _ in 0..<50 {
            // Again and again: over TLS, CONNECT can leave only after the handshake.
            _ = session.flush()
            pump(100)
            if try session.takeConnectResult() != nil { return }
        }
        throw BrokerError(what: "the broker does not answer CONNECT", code: 0)
    }

    /// Ends the connection in good order: what was acknowledged is gone from the queue.
    func disconnect() {
        session.disconnect()
        _ = session.flush()
    }

    /// Subscribes at QoS 1; false when the broker refuses.
    func subscribe(_ filter: String) throws(BrokerError) -> Bool {
        try session.subscribe(filter)
        _ = session.flush()
        pump(300)
        return !session.isSubscriptionRefused
    }

    /// Publishes at QoS 1 and collects what the broker answers, within some seconds.
    func publish(_ topic: String, _ payload: [UInt8], times: Int = 1) throws(BrokerError) -> [Int32]
    {
        var codes: [Int32] = []
        for sent in 0..<times {
            try session.publish(topic, payload, qos: 1)
            // Now and then, so that neither side's buffers hold all of it.
            guard sent % 200 == 199 else { continue }
            _ = session.flush()
            pump(0)
            codes += session.takePublishCodes()
        }
        var progressAt = ContinuousClock.now
        while codes.count < times, ContinuousClock.now - progressAt < .seconds(2) {
            _ = session.flush()
            pump(50)
            let answers = session.takePublishCodes()
            if !answers.isEmpty { progressAt = .now }
            codes += answers
        }
        return codes
    }

    /// Listens until nothing comes for a while; with `acknowledging` every message is acknowledged.
    func listen(
        quietMilliseconds: Int32,
        acknowledging: Bool
    ) -> [(topic: String, payload: [UInt8])] {
        // What came with the answer to CONNECT counts too.
        defer { seen.messages.removeAll() }
        var count = -1
        while count < seen.messages.count {
            count = seen.messages.count
            pump(quietMilliseconds)
            if acknowledging { _ = session.flush() }
        }
        return seen.messages
    }

    /// Takes and acknowledges what comes within a time.
    func listen(forMilliseconds milliseconds: Int) -> [(topic: String, payload: [UInt8])] {
        defer { seen.messages.removeAll() }
        let end = ContinuousClock.now + .milliseconds(milliseconds)
        while ContinuousClock.now < end {
            pump(100)
            _ = session.flush()
        }
        _ = session.keepAlive()
        return seen.messages
    }

    /// Reads what there is, waiting at most so long for the first of it; writes nothing.
    private func pump(_ milliseconds: Int32) {
        let ready = session.wait(milliseconds: milliseconds, wake: -1, isReading: true)
        if ready.isReadable { _ = session.read(until: { false }) }
    }
}
