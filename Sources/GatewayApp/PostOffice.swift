import AdvisorWeb
import CoreLoop
import Decoding
import Foundation
import GatewayCore
import Logging
import MQTTSource
import Messages
import Store
import Telemetry
import Workshop

/// Hands queued messages to whoever carries them, and takes vehicles' answers in.
///
/// `app` goes over MQTT, `sms` into a file of JSON lines that a vendor's program reads. A message is
/// noted as sent before it leaves and as delivered after it was taken: a crash in between sends it
/// twice, never not at all.
struct PostOffice: Sendable {
    let services: WebServices
    let line: MessageLine
    /// Empty: there is nobody who reads it.
    let file: String
    let logger: Logger

    /// Sends what is due.
    func sendDue() async {
        do {
            for message in try await services.desk.dueMessages(at: services.clock()) {
                try await services.desk.noteSent(message.id, at: services.clock())
                if let problem = await send(message) {
                    try await services.desk.noteRefused(
                        message.id,
                        reason: problem,
                        at: services.clock()
                    )
                } else {
                    try await services.desk.noteDelivered(message.id, at: services.clock())
                }
            }
        } catch {
            logger.warning("messages wait", metadata: ["error": "\(error)"])
        }
    }

    /// - Returns: why it was not taken, or nil.
    private func send(_ message: MessageRecord) async -> String? {
        if message.channel == "sms" {
            guard !file.isEmpty else { return "no_file" }
            do { return try append(message) } catch { return "file: \(error.localizedDescription)" }
        }
        let (topic, payload, isRetained) = PostOffice.publication(message)
        return await line.publish(topic, payload, isRetained: isRetained) ? nil : "no_broker"
    }

    // MARK: Adapters

    private func append(_ message: MessageRecord) throws -> String? {
        struct Line: Encodable {
            var id: Int64
            var kind: String
            var to: String
            var language: String
            var text: String
            var createdAt: String

            enum CodingKeys: String, CodingKey {
                case id, kind, to, language, text
                case createdAt = "created_at"
            }
        }
        guard let phone = message.phone else { return "no_phone" }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var data = try encoder.encode(
            Line(
                id: message.id,
                kind: message.kind.rawValue,
                to: phone,
                language: message.language,
                text: message.text,
                createdAt: "\(message.createdAt)"
            )
        )
        data.append(UInt8(ascii: "\n"))
        if !FileManager.default.fileExists(atPath: file) {
            let isMade = FileManager.default.createFile(
                atPath: file,
                contents: nil,
                attributes: [.posixPermissions: 0o600]
            )
            guard isMade else { return "no_file" }
        }
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: file))
        defer { try? handle.close() }
        try handle.seekToEnd()
        try handle.write(contentsOf: data)
        try handle.synchronize()
        return nil
    }

    /// Topic, payload, and whether the broker keeps it: an alert stays until it is over.
    private static func publication(
        _ message: MessageRecord
    ) -> (topic: String, payload: String, isRetained: Bool) {
        let base = "vehicles/\(message.vehicle)"
        var fields = ["\"v\":1", "\"id\":\(message.id)", "\"created_at\":\"\(message.createdAt)\""]
        fields.append("\"language\":\(json(message.language)),\"text\":\(json(message.text))")
        if let slot = message.slot {
            fields.append("\"start\":\"\(slot.start)\",\"end\":\"\(slot.end)\"")
        }
        switch message.kind {
        case .alert: return ("\(base)/alert/\(message.record)", "{\(joined(fields))}", true)
        case .clear: return ("\(base)/alert/\(message.record)", "", true)
        case .offer:
            fields.append("\"nonce\":\(json(message.nonce ?? ""))")
            return ("\(base)/offer/\(message.id)", "{\(joined(fields))}", false)
        case .booked, .cancelled, .reminder, .careCall, .askToKeep, .due:
            return ("\(base)/notice/\(message.id)", "{\(joined(fields))}", false)
        }
    }

    private static func joined(_ fields: [String]) -> String { fields.joined(separator: ",") }

    // MARK: Replies

    private struct ReplyBody: Decodable {
        var offer: Int64
        var nonce: String
        var answer: String
    }

    /// `accept` books the held slot; every other answer is kept for the advisor.
    func take(_ reply: VehicleReply) async {
        guard reply.payload.count <= Limits.requestBodyBytesMax,
            let body = try? JSONDecoder().decode(ReplyBody.self, from: Data(reply.payload)),
            ["accept", "other", "decline", "call_me"].contains(body.answer),
            let offer = try? await services.desk.offer(
                body.offer,
                vehicle: reply.vehicle,
                nonce: body.nonce
            ), offer.isOpen
        else {
            logger.info("a reply that fits no open offer")
            return
        }
        if body.answer == "accept" {
            let outcome = await services.core.submit(
                .suggestion(
                    SuggestionID(rawValue: offer.suggestion),
                    version: offer.version,
                    .customerAccepts(channel: .app, reply: body.answer),
                    by: Actor("customer", .customer)
                )
            )
            if case .failure(let problem) = outcome {
                logger.info(
                    "an accepted offer was not booked",
                    metadata: ["code": "\(problem.code.rawValue)"]
                )
                return
            }
        }
        try? await services.desk.noteAnswer(body.answer, to: offer.message, at: services.clock())
    }
}
