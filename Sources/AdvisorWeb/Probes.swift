import CoreLoop
import Decoding
import GatewayCore
import HTTPTypes
import Hummingbird
import Rules
import Telemetry

/// `/healthz`, `/readyz` and `/metrics`: for machines that watch.
struct Probes {
    let services: WebServices

    func addRoutes(to router: Router<WebContext>) {
        router.get("/healthz") { request, _ in
            _ = try Query(request, known: [])
            return Response(
                status: .ok,
                headers: [.contentType: "text/plain; charset=utf-8"],
                body: ResponseBody(byteBuffer: ByteBuffer(string: "ok\n"))
            )
        }
        router.get("/readyz") { request, _ in
            _ = try Query(request, known: [])
            return try ready()
        }
        router.get("/metrics") { request, _ in
            _ = try Query(request, known: [])
            return Response(
                status: .ok,
                headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
                body: ResponseBody(byteBuffer: ByteBuffer(string: metrics()))
            )
        }
    }

    private struct Readiness: Encodable {
        var ready: Bool
        var broker: String
        var store: String
        var rules: String
    }

    /// Ready: readings flow in and commits succeed; after a start the rules may still be behind.
    private func ready() throws -> Response {
        let feed = services.feed()
        let status = services.core.status
        let storeError = status.storeError
        let damage =
            status.damagedRows == 0 ? "" : "; \(status.damagedRows) damaged rows set aside"
        let isReady = feed.isConnected && storeError == nil
        return try jsonResponse(
            Readiness(
                ready: isReady,
                broker: feed.isConnected ? "connected" : feed.lastError ?? "connecting",
                store: (storeError ?? "writable") + damage,
                rules: status.isRecalling ? "recalling what is stored" : "up to date"
            ),
            status: isReady ? .ok : .serviceUnavailable
        )
    }

    /// The Prometheus text format, version 0.0.4.
    private func metrics() -> String {
        let status = services.core.status
        let feed = services.feed()
        var text = ""
        func put(_ name: String, _ kind: String, _ help: String, _ samples: [(String, String)]) {
            text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind)\n"
            for (labels, value) in samples { text += "\(name)\(labels) \(value)\n" }
        }
        func counter(_ name: String, _ help: String, _ value: Int) {
            put(name, "counter", help, [("", "\(value)")])
        }
        func gauge(_ name: String, _ help: String, _ value: Int) {
            put(name, "gauge", help, [("", "\(value)")])
        }
        func histogram(_ name: String, _ help: String, _ histogram: Histogram) {
            var samples: [(String, String)] = []
            var total = 0
            for (bound, count) in zip(Histogram.bounds, histogram.counts) {
                total += count
                samples.append(("_bucket{le=\"\(bound)\"}", "\(total)"))
            }
            samples.append(("_bucket{le=\"+Inf\"}", "\(histogram.count)"))
            samples.append(("_sum", "\(histogram.sum)"))
            samples.append(("_count", "\(histogram.count)"))
            put(name, "histogram", help, samples)
        }
        counter("gateway_packets_total", "MQTT packets taken in.", status.counts.packets)
        counter(
            "gateway_packets_ignored_total",
            "Packets of a configured source that say nothing it maps.",
            status.counts.ignoredPackets
        )
        counter(
            "gateway_values_retained_total",
            "Values of unknown age, refused because the broker had kept them (retained).",
            status.counts.retainedValues
        )
        counter(
            "gateway_packets_skipped_total",
            "Numbers that never came and that their vehicles no longer have: lost readings.",
            status.counts.skippedPackets
        )
        counter("gateway_commits_total", "Batches and other units committed.", status.commits)
        histogram(
            "gateway_step_seconds",
            "Time of the core's step for one batch.",
            status.stepSeconds
        )
        counter(
            "gateway_readings_received_total",
            "Readings received = stored + duplicate + too_late + rejected; a packet that cannot "
                + "be read is one.",
            status.counts.received
        )
        counter("gateway_readings_stored_total", "Readings new to the store.", status.stored)
        counter(
            "gateway_readings_duplicate_total",
            "Readings the store had already.",
            status.duplicate
        )
        counter(
            "gateway_readings_too_late_total",
            "Readings left out: older than store.raw_days, of an hour that has been summed up and "
                + "may hold them.",
            status.tooLate
        )
        put(
            "gateway_readings_rejected_total",
            "counter",
            "Readings kept as dead letters.",
            RejectionReason.allCases.map {
                ("{reason=\"\($0.rawValue)\"}", "\(status.counts.rejected[$0.place])")
            }
        )
        counter(
            "gateway_readings_late_total",
            "Readings over 10 minutes old on arrival.",
            status.counts.late
        )
        counter(
            "gateway_readings_absent_total",
            "Readings that say there is no reading.",
            status.counts.noReading
        )
        counter("gateway_alerts_raised_total", "Alerts raised.", status.counts.alertsRaised)
        counter("gateway_alerts_cleared_total", "Alerts cleared.", status.counts.alertsCleared)
        counter(
            "gateway_suggestions_made_total",
            "Visit suggestions made.",
            status.counts.suggestionsMade
        )
        gauge("gateway_vehicles", "Vehicles known.", status.vehicles)
        gauge(
            "gateway_vehicles_silent",
            "Vehicles silent for longer than core.silent_after_hours.",
            status.silentVehicles
        )
        put(
            "gateway_troubles",
            "gauge",
            "What cannot be judged, by kind: vehicles and components.",
            TroubleKind.allCases.map { ("{kind=\"\($0.name)\"}", "\(status.troubles[$0] ?? 0)") }
        )
        gauge(
            "gateway_packets_missing",
            "Numbers of packets missing between others, over all vehicles.",
            status.missingPackets
        )
        gauge("gateway_alerts_live", "Alerts that live.", status.liveAlerts)
        gauge("gateway_suggestions_live", "Suggestions that wait.", status.liveSuggestions)
        gauge("gateway_broker_connected", "1 while connected.", feed.isConnected ? 1 : 0)
        counter("gateway_broker_reconnects_total", "Tries after the first.", feed.reconnects)
        counter(
            "gateway_broker_sessions_lost_total",
            "Times the broker had lost our session: a gap is possible.",
            feed.lostSessions
        )
        gauge(
            "gateway_store_writable",
            "1 while commits succeed.",
            status.storeError == nil ? 1 : 0
        )
        gauge(
            "gateway_store_damaged_rows",
            "Rows of readings that no longer read, set aside in the table damaged.",
            status.damagedRows
        )
        histogram("gateway_commit_seconds", "Time of a commit.", status.commitSeconds)
        histogram(
            "gateway_lag_seconds",
            "From a batch's first arrival to its commit.",
            status.lagSeconds
        )
        return text
    }
}
