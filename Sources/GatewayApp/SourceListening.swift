import ConfigFiles
import Foundation
import MQTTSource
import Telemetry

/// Listens at a broker for what an unknown sender publishes.
package enum SourceListening {
    /// Messages that are kept: past them a draft gets no better.
    package static let messagesMax = 20_000

    /// Blocks for so long, or until there are `messagesMax`; tells each new second how many came.
    /// - Throws: in words, when the broker cannot be reached or refuses the subscription.
    package static func hear(
        _ filter: String,
        seconds: Int,
        configPath: String,
        progress: (Int, Int) -> Void
    ) throws -> [SourceDraft.Heard] {
        let settings = try GatewayFile.load(configPath)
        var address = Serve.address(settings)
        address.clientID += "-draft-\(ProcessInfo.processInfo.processIdentifier)"
        let probe: BrokerProbe
        do {
            probe = try BrokerProbe(address)
        } catch {
            throw ListeningError(
                description: "\(error)\nNext: start `gateway serve`, which has the broker at "
                    + "\(settings.brokerHost):\(settings.brokerPort), or name yours in "
                    + "\(configPath) (broker.host, broker.port)."
            )
        }
        guard try probe.subscribe(filter) else {
            throw ListeningError(description: "the broker refuses the subscription to \(filter)")
        }
        var heard: [SourceDraft.Heard] = []
        for second in 1...max(seconds, 1) {
            heard += probe.listen(forMilliseconds: 1_000).map {
                SourceDraft.Heard(topic: $0.topic, payload: $0.payload)
            }
            progress(second, heard.count)
            if heard.count >= messagesMax { break }
        }
        probe.disconnect()
        return heard
    }
}

private struct ListeningError: Error, CustomStringConvertible {
    let description: String
}
