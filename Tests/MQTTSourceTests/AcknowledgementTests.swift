import Foundation
import GatewayCore
import Logging
import MQTTSource
import Synchronization
import Telemetry
import Testing
import Threads

/// A commit that waits until the test says so.
private final class SlowStore: Sendable {
    let asked = Mailbox<Int>(capacity: 16)
    /// Every packet's identifier, negative when it is delivered again.
    let identifiers = Mailbox<Int>(capacity: 16)
    private let answers = Mailbox<Bool>(capacity: 16)

    func deliver(_ batch: PacketBatch) -> BatchOutcome {
        for packet in batch.packets {
            _ = identifiers.send(Int(packet.identifier) * (packet.isRedelivered ? -1 : 1))
        }
        _ = asked.send(batch.packets.count)
        let isCommitted = answers.receive(waitingMilliseconds: 20_000) ?? false
        return isCommitted
            ? .committed([Confirmation(vehicle: "v1", boot: "b", sequence: 3)]) : .abandoned
    }

    func answer(_ isCommitted: Bool) {
        _ = answers.send(isCommitted)
    }
}

@Suite(.serialized)
struct AcknowledgementTests {
    private func start(_ broker: FakeBroker, _ store: SlowStore) -> (MQTTSource, DedicatedThread) {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let source = MQTTSource(
            BrokerAddress(
                host: "127.0.0.1",
                port: broker.port,
                clientID: "gateway",
                keepaliveSeconds: 60,
                receiveMaximum: 1_000
            ),
            logger: logger,
            clock: { Timestamp(milliseconds: 0) }
        )
        let thread = DedicatedThread(name: "net") {
            source.run(confirmations: { [] }) { store.deliver($0) }
        }
        return (source, thread)
    }

    private func stop(_ source: MQTTSource, _ thread: DedicatedThread) {
        source.stop()
        thread.join()
    }

    /// How many PUBACKs are in the bytes; the identifiers used here never look like one.
    private func acknowledged(_ bytes: [UInt8]) -> [UInt8] {
        zip(bytes, bytes.dropFirst(3)).enumerated().compactMap { index, pair in
            pair.0 == 0x40 && bytes[index + 1] <= 4 ? pair.1 : nil
        }
    }

    /// The proof of "commit, then acknowledge": while the commit runs, not one byte leaves.
    @Test func noByteLeavesBeforeTheCommit() {
        let broker = FakeBroker()
        let store = SlowStore()
        let (source, thread) = start(broker, store)
        broker.handshake()
        for identifier in 1...3 as ClosedRange<UInt8> { broker.publish(identifier: identifier) }
        var packets = store.asked.receive(waitingMilliseconds: 5_000) ?? 0
        #expect(packets >= 1)
        #expect(broker.receive(milliseconds: 400).isEmpty)
        store.answer(true)
        // Packets that came while the first commit ran are a batch of their own.
        var bytes: [UInt8] = []
        while packets < 3, let more = store.asked.receive(waitingMilliseconds: 5_000) {
            packets += more
            store.answer(true)
        }
        while acknowledged(bytes).count < 3 {
            let more = broker.receive(milliseconds: 5_000)
            guard !more.isEmpty else { break }
            bytes += more
        }
        #expect(acknowledged(bytes) == [1, 2, 3])
        // The vehicle's own confirmation follows, on its own topic.
        #expect(String(decoding: bytes, as: UTF8.self).contains("vehicles/v1/committed"))
        stop(source, thread)
    }

    /// A commit that will never be: the connection ends, and no acknowledgement was sent.
    @Test func anAbandonedBatchIsNeverAcknowledged() {
        let broker = FakeBroker()
        let store = SlowStore()
        let (source, thread) = start(broker, store)
        broker.handshake()
        broker.publish(identifier: 1)
        _ = store.asked.receive(waitingMilliseconds: 5_000)
        store.answer(false)
        // The next thing the broker sees is a new connection, with nothing before it.
        #expect(acknowledged(broker.receive(milliseconds: 300)).isEmpty)
        broker.handshake()
        broker.publish(identifier: 2)
        #expect(store.asked.receive(waitingMilliseconds: 5_000) == 1)
        store.answer(true)
        #expect(acknowledged(broker.receive(milliseconds: 5_000)) == [2])
        #expect(source.status.reconnects >= 1)
        stop(source, thread)
    }

    /// What comes first after a connection may be there already; the broker's word for it, DUP,
    /// reaches us although libmosquitto keeps it to its log.
    @Test func whatTheBrokerDeliversAgainIsKnown() {
        let broker = FakeBroker()
        let store = SlowStore()
        let (source, thread) = start(broker, store)
        var seen: [Int] = []
        func send(_ identifier: UInt8, isAgain: Bool) {
            broker.publish(identifier: identifier, isAgain: isAgain)
            #expect(store.asked.receive(waitingMilliseconds: 5_000) == 1)
            seen.append(store.identifiers.receive(waitingMilliseconds: 0) ?? 0)
        }
        broker.handshake()
        send(1, isAgain: false)
        // The commit fails, and the next connection brings it again, before anything new.
        store.answer(false)
        broker.handshake()
        send(1, isAgain: true)
        store.answer(true)
        send(2, isAgain: true)
        store.answer(true)
        send(3, isAgain: false)
        store.answer(true)
        #expect(seen == [1, -1, -2, 3])
        stop(source, thread)
    }

    @Test func retriesGrowAndStayBounded() {
        var backoff = Backoff()
        var generator = SystemRandomNumberGenerator()
        let delays = (0..<20).map { _ in backoff.delayMilliseconds(using: &generator) }
        #expect((50...100).contains(delays[0]))
        #expect(delays.suffix(10).allSatisfy { (5_000...10_000).contains($0) })
        backoff.reset()
        #expect((50...100).contains(backoff.delayMilliseconds(using: &generator)))
    }

    @Test func textBecomesJSON() {
        #expect(json("a\"b\\c\u{1}\u{20ac}") == "\"a\\\"b\\\\c\\u0001\u{20ac}\"")
    }
}
