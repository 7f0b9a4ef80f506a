import Foundation
import GatewayCore
import Logging
import MQTTSource
import Synchronization
import Telemetry
import Testing
import Threads

/// A broker made of one socket: it sends what it is told and keeps every byte it gets.
private final class FakeBroker: @unchecked Sendable {
    // Guard: used by the one test thread that owns it.
    private let listener: Int32
    private var connection: Int32 = -1
    let port: Int

    init() {
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = listener
        port = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = bind(descriptor, $0, size)
                _ = listen(descriptor, 4)
                getsockname(descriptor, $0, &size)
            }
            return Int(UInt16(bigEndian: pointer.pointee.sin_port))
        }
    }

    deinit {
        close(listener)
        if connection >= 0 { close(connection) }
    }

    func accept() {
        if connection >= 0 { close(connection) }
        connection = Glibc.accept(listener, nil, nil)
    }

    func send(_ bytes: [UInt8]) {
        _ = bytes.withUnsafeBytes { write(connection, $0.baseAddress, $0.count) }
    }

    /// Everything that arrives within a time.
    func receive(milliseconds: Int32) -> [UInt8] {
        var entry = pollfd(fd: connection, events: Int16(POLLIN), revents: 0)
        guard poll(&entry, 1, milliseconds) > 0 else { return [] }
        var buffer = [UInt8](repeating: 0, count: 4_096)
        let count = read(connection, &buffer, buffer.count)
        return Array(buffer.prefix(max(0, count)))
    }

    /// CONNECT comes, CONNACK goes; SUBSCRIBEs come, SUBACKs go.
    func handshake() {
        accept()
        #expect(receive(milliseconds: 5_000).first == 0x10)
        send([0x20, 0x03, 0x00, 0x00, 0x00])
        var subscribes: [UInt8] = []
        while subscribes.count(where: { $0 == 0x82 }) < 2 {
            let more = receive(milliseconds: 5_000)
            guard !more.isEmpty else { break }
            subscribes += more
        }
        send([0x90, 0x04, 0x00, 0x01, 0x00, 0x01, 0x90, 0x04, 0x00, 0x02, 0x00, 0x01])
    }

    /// A PUBLISH at QoS 1.
    func publish(identifier: UInt8) {
        let topic = Array("vehicles/v1/telemetry".utf8)
        let body = Array("{\(identifier)}".utf8)
        let rest = [0, UInt8(topic.count)] + topic + [0, identifier, 0] + body
        send([0x32, UInt8(rest.count)] + rest)
    }
}

/// A commit that waits until the test says so.
private final class SlowStore: Sendable {
    let asked = Mailbox<Int>(capacity: 16)
    private let answers = Mailbox<Bool>(capacity: 16)

    func deliver(_ batch: PacketBatch) -> BatchOutcome {
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
            source.run(confirmations: []) { store.deliver($0) }
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
