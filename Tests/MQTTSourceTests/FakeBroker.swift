import Glibc
import Testing

/// A broker made of one socket: it sends what it is told and keeps every byte it gets.
final class FakeBroker: @unchecked Sendable {
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

    /// Nothing more will be sent: the other side reads what is there and then the end.
    func finish() {
        shutdown(connection, Int32(SHUT_WR))
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
        send([0x20, 0x02, 0x00, 0x00])
        var subscribes: [UInt8] = []
        while subscribes.count(where: { $0 == 0x82 }) < 2 {
            let more = receive(milliseconds: 5_000)
            guard !more.isEmpty else { break }
            subscribes += more
        }
        send([0x90, 0x03, 0x00, 0x01, 0x01, 0x90, 0x03, 0x00, 0x02, 0x01])
    }

    /// A PUBLISH at QoS 1; one that is delivered again has DUP.
    func publish(identifier: UInt8, isAgain: Bool = false) {
        let topic = Array("vehicles/v1/telemetry".utf8)
        let body = Array("{\(identifier)}".utf8)
        let rest = [0, UInt8(topic.count)] + topic + [0, identifier] + body
        send([isAgain ? 0x3a : 0x32, UInt8(rest.count)] + rest)
    }
}
