import Customers
import GatewayCore
import Messages
import Workshop

/// The language of a page.
enum Language: String {
    case zh
    case en

    /// `lang` of HTML.
    var tag: String { reader.rawValue }
    /// The same language as customers have it.
    var reader: CustomerLanguage { self == .zh ? .chinese : .english }
    var other: Language { self == .zh ? .en : .zh }

    func pick(zh: String, en: String) -> String { self == .zh ? zh : en }
}

/// Every fixed word of the pages, in one language.
struct Texts {
    let language: Language

    /// The words by name, as the templates ask for them.
    var words: [String: String] {
        [
            "product": product, "inbox": inbox, "class": `class`, "latestBy": latestBy,
            "vehicle": vehicle, "what": what, "slot": slot, "step": step, "next": next,
            "lost": lost,
            "changed": changed, "numbers": numbers, "newest": newest, "limit": limit,
            "slope": slope, "crossing": crossing, "readings": readings, "rule": rule,
            "raised": raised, "state": state, "visit": visit, "jobs": jobs, "duration": duration,
            "station": station, "heldUntil": heldUntil, "reason": reason, "offers": offers,
            "book": book, "decline": decline, "choose": choose, "note": note, "noSlot": noSlot,
            "history": history, "overdue": overdue, "noSlotShort": noSlotShort, "booked": booked,
            "declined": declined, "limitAssumed": limitAssumed, "logIn": logIn, "logOut": logOut,
            "logOutEverywhere": logOutEverywhere, "userName": userName, "password": password,
        ]
    }

    private func say(_ zh: String, _ en: String) -> String { language.pick(zh: zh, en: en) }

    /// What a visit is for that no alert asks for.
    func line(_ line: VisitLine, _ time: LocalTime) -> String {
        let name =
            switch line.reason {
            case .service: say("定期保养到期", "Service due")
            case .inspection: say("年审到期", "Inspection due")
            case .insurance: say("保险到期", "Insurance ends")
            case .licence: say("驾驶证到期", "Driving licence ends")
            case .recommended: say("上次建议的项目", "Advised last time")
            case .stated: say("客户反映", "The customer says")
            }
        let distance = line.kilometres.map { "\($0) km" }
        let parts = [line.due.map(time.day), distance, line.text.isEmpty ? nil : line.text]
        return ([name] + parts.compactMap { $0 }).joined(separator: " · ")
    }

    var product: String { say("主动服务", "Proactive service") }
    var inbox: String { say("预约建议", "Visit suggestions") }
    var `class`: String { say("级别", "Class") }
    var latestBy: String { say("最晚到店", "Latest by") }
    var vehicle: String { say("车辆与车主", "Car and owner") }
    var what: String { say("情况", "What happened") }
    var step: String { say("下一步", "What to do") }
    var inboxIntro: String {
        say(
            "这些车不久就会需要您。请致电车主，提供已预留的时段并预约；最紧急的在最前。点开可看原因。",
            "These cars will soon need you. Call the owner, offer the slot that is held, and book "
                + "it; the most urgent is first. Open a car to see why."
        )
    }

    func meaning(_ urgency: Urgency) -> String {
        switch urgency {
        case .p0: say("立即停车", "stop now")
        case .p1: say("紧急", "urgent")
        case .p2: say("尽快", "soon")
        case .p3: say("可安排", "can wait")
        }
    }

    /// By when to come, where the limit is met already.
    func soonest(_ urgency: Urgency) -> String {
        urgency == .p0 ? say("立即", "At once") : say("越早越好", "As soon as possible")
    }

    /// Who is to be called, and when, as far as that is allowed.
    func call(
        _ owner: String?,
        by due: String?,
        _ block: ContactBlock?,
        blockedUntil until: String?
    ) -> String {
        let name = owner ?? say("车主（未登记）", "the owner (not on file)")
        return switch (block?.reason, until) {
        case (nil, _):
            due.map { say("请在\($0)前致电\(name)", "Call \(name) by \($0)") }
                ?? say("请立即致电\(name)", "Call \(name) now")
        case (.hours, let until?): say("请在\(until)后致电\(name)", "Call \(name) from \(until)")
        case (.frequency, let until?):
            say("刚联系过\(name)，\(until)后再致电", "\(name) was called lately: again from \(until)")
        case (.notUsefulYet, let until?):
            say("\(until)后再致电\(name)", "Too early: call \(name) from \(until)")
        case (.complaint, _):
            say("\(name)有投诉未处理，暂不致电", "\(name) has an open complaint: do not call yet")
        case (.consent, _), (.doNotContact, _):
            say("\(name)不同意来电", "\(name) is not to be called")
        case (.some, nil): say("暂不致电\(name)", "\(name) is not to be called now")
        }
    }

    /// The time for the first call is over.
    func callLate(since due: String) -> String {
        say("应在\(due)前致电", "the call was due by \(due)")
    }

    /// Jobs of a visit, and how long it takes.
    func list(_ jobs: [String], minutes: Int) -> String {
        let names = jobs.joined(separator: say("、", ", "))
        return say("\(names)（\(self.minutes(minutes))）", "\(names) (\(self.minutes(minutes)))")
    }
    var slot: String { say("预留时段", "Held slot") }
    var bookedSlot: String { say("预约时段", "Booked slot") }
    var next: String { say("下一页", "Next page") }
    var lost: String {
        say(
            "与网关的连接中断,页面可能过时;正在重试。",
            "Not live: the connection to the gateway is lost; trying again."
        )
    }
    var changed: String { say("内容有更新,点击载入", "This page has changed: load it again") }
    var numbers: String { say("数据", "Numbers") }
    var newest: String { say("最新读数", "Newest reading") }
    var limit: String { say("限值", "Limit") }
    var slope: String { say("变化", "Trend") }
    var crossing: String { say("预计到达限值", "Expected at the limit") }
    var readings: String { say("读数个数", "Readings used") }
    var rule: String { say("规则", "Rule") }
    var raised: String { say("发出时间", "Raised") }
    var state: String { say("状态", "State") }
    var visit: String { say("到店", "Visit") }
    var jobs: String { say("项目", "Jobs") }
    var duration: String { say("时长", "Duration") }
    var station: String { say("门店", "Station") }
    var heldUntil: String { say("保留至", "Held until") }
    var reason: String { say("原因", "Reason") }
    var offers: String { say("可选时段", "Offered slots") }
    var book: String { say("预约此时段", "Book this slot") }
    var decline: String { say("客户不来", "Decline") }
    var choose: String { say("请选择", "Choose a reason") }
    var note: String { say("备注", "Note") }
    var noSlot: String {
        say(
            "60 天内没有空位,请与车间主管商量。",
            "No slot is free within 60 days: ask the workshop manager."
        )
    }
    var history: String { say("记录", "History") }
    var overdue: String { say("晚于期限", "after the deadline") }
    var noSlotShort: String { say("无空位", "no slot") }
    var booked: String { say("已预约。", "Booked.") }
    var declined: String { say("已记录。", "Recorded.") }
    var limitAssumed: String {
        say(
            "登记册中没有该车的标准胎压,限值按假定值计算。",
            "The registry has no placard pressure for this vehicle: the limit is an assumption."
        )
    }

    var logIn: String { say("登录", "Log in") }
    var logOut: String { say("退出", "Log out") }
    var logOutEverywhere: String { say("退出所有设备", "Log out everywhere") }
    var userName: String { say("用户名", "Name") }
    var password: String { say("密码", "Password") }
    var wrongLogin: String { say("用户名或密码不正确。", "The name or the password is wrong.") }
    var tooManyTries: String {
        say("尝试次数过多,请稍后再试。", "Too many tries. Wait a while, then try again.")
    }
    var noLogin: String {
        say(
            "尚未创建用户:本机上的任何人都是服务顾问。创建用户:gateway users add",
            "No user has been created, so whoever sits at this machine is the advisor. "
                + "Create one: gateway users add"
        )
    }

    func name(_ state: SuggestionState) -> String {
        switch state {
        case .proposed: say("待处理", "Open")
        case .leased: say("处理中", "Being worked on")
        case .waiting: say("等待中", "Waiting")
        case .booked: say("已预约", "Booked")
        case .merged: say("已并入预约", "Added to a visit")
        case .declined: say("已谢绝", "Declined")
        case .withdrawn: say("已撤回", "Withdrawn")
        case .expired: say("已过期", "Expired")
        }
    }

    func name(_ label: OfferLabel) -> String {
        switch label {
        case .best: say("推荐", "recommended")
        case .earliest: say("最早", "earliest")
        case .preferred: say("客户偏好", "as the customer likes")
        case .later: say("稍晚", "somewhat later")
        case .anotherDay: say("另一天", "another day")
        }
    }

    func name(_ reason: DeclineReason) -> String {
        switch reason {
        case .doneElsewhere: say("已经做了保养", "Already done elsewhere")
        case .notInterested: say("对来本站没有兴趣", "Not interested in coming here")
        case .complaintLastBooking: say("对上次预约有意见", "Complaint about the last booking")
        case .unreachableFinal: say("多次未接通", "Not reached after several calls")
        case .otherTime: say("时间不合适", "No suitable time")
        case .priceOrAuthority: say("费用或需商量", "Price, or must ask somebody")
        case .soldOrWrongPerson: say("已卖车或号码错误", "Sold, or wrong person")
        case .doNotContact: say("请勿再联系", "Asked not to be contacted")
        }
    }

    func name(_ state: AlertState) -> String {
        switch state {
        case .watching: say("观察中", "Watched")
        case .open: say("待安排", "Open")
        case .planned: say("已安排", "In this suggestion")
        case .muted: say("已静音", "Muted")
        case .serviced: say("待核实", "Said to be done")
        case .recovered: say("已恢复", "Recovered")
        case .closed: say("已结束", "Closed")
        }
    }

    /// A step of the history in words; nil for steps that say nothing to an advisor.
    func step(_ machine: String, _ event: String) -> String? {
        switch (machine, event) {
        case ("alert", "held"): say("预警发出", "Alert raised")
        case ("alert", "cleared"): say("读数恢复正常", "Readings are normal again")
        case ("alert", "fires_again"): say("再次预警", "Alert raised again")
        case ("alert", "unmute"): say("预警重新打开", "Alert opened again")
        case ("alert", "declined"): say("预警静音", "Alert muted")
        case ("alert", "serviced"): say("客户称已处理", "Customer says it is done")
        case ("alert", "no_data"): say("长时间无数据,预警结束", "Closed: no data for weeks")
        case ("alert", "still_firing"): say("仍未解决", "Still not solved")
        case ("suggestion", "plan"): say("建议生成,时段已保留", "Suggestion made, slot held")
        case ("suggestion", "replan"): say("建议更新", "Suggestion brought up to date")
        case ("suggestion", "wait"): say("等待中", "Waiting")
        case ("suggestion", "unreachable_2"), ("suggestion", "escalate"):
            say("已转客户专员", "Handed to the specialist")
        case ("suggestion", "sla_breach"): say("超时未联系", "Nobody tried in time")
        case ("suggestion", "undo"): say("已撤销谢绝", "Decline taken back")
        case ("suggestion", "merge"): say("已并入预约", "Added to the booked visit")
        case ("appointment", "move"), ("appointment", "rebook"): say("已改期", "Visit moved")
        case ("appointment", "arrive"), ("appointment", "arrive_late"): say("已到店", "Arrived")
        case ("appointment", "miss"): say("未到店", "Did not come")
        case ("appointment", "cancel"), ("appointment", "abort"): say("已取消", "Visit cancelled")
        case ("appointment", "finish"): say("已完工", "Work done")
        case ("suggestion", "accepted"), ("suggestion", "customer_accepts"): say("已预约", "Booked")
        case ("suggestion", "decline"): say("已谢绝", "Declined")
        case ("suggestion", "basis_gone"): say("原因消失,已撤回", "Withdrawn: the cause is gone")
        case ("suggestion", "lapse"): say("无人处理,已过期", "Expired: nobody acted")
        default: nil
        }
    }

    func problem(_ code: String) -> String {
        switch code {
        case "stale_version":
            say(
                "该建议刚刚有变化,请核对后重试。",
                "This suggestion has just changed. Check it, then try again."
            )
        case "illegal_transition": say("该建议已经处理过。", "This suggestion is settled already.")
        case "slot_taken":
            say(
                "该时段刚被占用,下面是新的可选时段。",
                "That slot has just been taken. These are fresh offers."
            )
        case "leased_by_other": say("同事正在处理。", "A colleague works on it.")
        case "visit_exists":
            say("该车已有预约,请并入该预约。", "The vehicle has a visit: add to that one.")
        case "attempts_missing":
            say(
                "客户专员两次联系并发送信息后方可结束。",
                "Final only after the specialist has tried twice and left a message."
            )
        case "no_slot": say("没有可预约的时段。", "There is no slot to book.")
        case "invalid_form": say("请填写所需内容。", "Please fill in what is needed.")
        case "overloaded", "store_unavailable":
            say(
                "系统暂时无法保存,请稍后重试。",
                "This could not be saved just now. Nothing was changed; try again in a moment."
            )
        default: say("未能完成。", "That did not work.")
        }
    }

    func minutes(_ count: Int) -> String { say("约\(count)分钟", "about \(count) min") }

    func more(_ count: Int) -> String? {
        count <= 0 ? nil : say("另有\(count)项", "and \(count) more")
    }

    func held(until: String, station: String) -> String {
        say("\(station),保留至\(until)", "\(station), held until \(until)")
    }
}
