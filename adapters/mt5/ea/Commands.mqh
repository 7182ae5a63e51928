// What the engine tells this terminal to do, each once, ever: the intent is on the disk before the
// request leaves, and a repeat is answered from the table.
#ifndef TIDEGATE_COMMANDS
#define TIDEGATE_COMMANDS

#include "Quotes.mqh"
#include "Trade.mqh"

// Answers of this program, outside the broker's range. None of them was sent to the broker.
#define RETCODE_OUTGROWN -1
#define RETCODE_EXPIRED -2
#define RETCODE_MALFORMED -3
#define RETCODE_NOT_RECORDED -4

class Commands
  {
private:
   long              m_magic;
   int               m_deviation;
   bool              m_report_asked;
   int               m_heartbeat_ms;

   void              TellResult(Link &to, const string id, const Outcome &outcome)
     {
      string body = "\"intent_id\":" + JsonQuote(id);
      body += ",\"retcode\":" + IntegerToString(outcome.retcode);
      body += ",\"deal\":" + IntegerToString((long)outcome.deal);
      body += ",\"order\":" + IntegerToString((long)outcome.order);
      body += ",\"volume\":" + JsonNumber(outcome.volume);
      body += ",\"price\":" + JsonNumber(outcome.price);
      to.TellKept("r", body + ",\"comment\":" + JsonQuote(outcome.comment), 0);
     }

   void              Refuse(Link &to, const string id, const long retcode, const string why)
     {
      Print("Tidegate: refused ", id, ": ", why);
      if(id == "")
         return;
      Outcome outcome;
      Answer(outcome, retcode, why);
      TellResult(to, id, outcome);
     }

   bool              Set(JsonObject &frame, Journal &journal, Quotes &quotes)
     {
      if(frame.Has("symbols"))
        {
         string symbols[];
         frame.Texts("symbols", symbols);
         quotes.Want(symbols);
        }
      SetHeartbeatMs(frame.Integer("heartbeat_ms", m_heartbeat_ms));
      return !frame.Has("floor") || journal.SetFloor(frame.Number("floor", 0.0));
     }

   void              Execute(JsonObject &frame, const string id, Journal &journal,
                             Outcome &outcome)
     {
      string action = frame.Text("action");
      long position = frame.Integer("position", 0);
      string comment = "tg:" + id;
      if(action == "halt" || action == "resume")
        {
         bool recorded = journal.SetHalted(action == "halt");
         Answer(outcome, recorded ? RETCODE_DONE : RETCODE_NOT_RECORDED, action);
         return;
        }
      if(TerminalInfoInteger(TERMINAL_CONNECTED) == 0)
        {
         Answer(outcome, RETCODE_CONNECTION, "not at the broker's server");
         return;
        }
      if(action == "close")
        {
         int deviation = (int)frame.Integer("deviation", m_deviation);
         double volume = frame.Number("volume", 0.0);
         ClosePosition(position, volume, deviation, m_magic, comment, outcome);
        }
      else if(action == "close_by")
        {
         long opposite = frame.Integer("position_by", 0);
         CloseBy(position, opposite, m_magic, comment, outcome);
        }
      else
         CancelOrder((ulong)frame.Integer("order", 0), outcome);
     }

   // What is wrong with a command as it stands; empty where nothing is.
   string            FaultOf(JsonObject &frame)
     {
      string action = frame.Text("action");
      if(action == "halt" || action == "resume")
         return "";
      if(action == "close" || action == "close_by")
        {
         if(frame.Integer("position", 0) <= 0)
            return "no position is named";
         if(action == "close_by" && frame.Integer("position_by", 0) <= 0)
            return "no opposite position is named";
         if(frame.Has("volume") && frame.Number("volume", 0.0) <= 0.0)
            return "nothing to close";
         return "";
        }
      if(action == "cancel")
         return frame.Integer("order", 0) > 0 ? "" : "no order is named";
      return "an action this program does not know";
     }

public:
                     Commands()
     {
      m_magic = 0;
      m_deviation = 0;
      m_report_asked = false;
      m_heartbeat_ms = 1000;
     }

   void              Start(const long magic, const int deviation)
     {
      m_magic = magic;
      m_deviation = deviation;
      m_report_asked = false;
      m_heartbeat_ms = 1000;
     }

   int               HeartbeatMs() { return m_heartbeat_ms; }
   void              SetHeartbeatMs(const long heartbeat_ms)
     {
      if(heartbeat_ms >= 50 && heartbeat_ms <= 60000)
         m_heartbeat_ms = (int)heartbeat_ms;
     }

   // Whether a report was asked for since the last call.
   bool              TakeReportAsked()
     {
      bool asked = m_report_asked;
      m_report_asked = false;
      return asked;
     }

   void              Do(JsonObject &frame, Link &to, Journal &journal, Quotes &quotes)
     {
      string id = frame.Text("intent_id");
      string action = frame.Text("action");
      long login = frame.Integer("login", 0);
      long epoch = frame.Integer("epoch", -1);
      if(login != 0 && login != AccountInfoInteger(ACCOUNT_LOGIN))
        {
         Refuse(to, id, RETCODE_MALFORMED, "another account is meant");
         return;
        }
      if(epoch < journal.EpochSeen())
        {
         Refuse(to, id, RETCODE_OUTGROWN, "a higher epoch was seen here");
         return;
        }
      if(action == "report" || action == "set")
        {
         bool done = true;
         if(action == "set")
            done = Set(frame, journal, quotes);
         else
            m_report_asked = true;
         if(id != "")
           {
            Outcome said;
            Answer(said, done ? RETCODE_DONE : RETCODE_NOT_RECORDED, action);
            TellResult(to, id, said);
           }
         return;
        }
      Intent intent;
      Outcome outcome;
      if(id != "" && journal.Lookup(id, intent))
        {
         Answer(outcome, intent.retcode, "from the table");
         outcome.deal = intent.deal;
         outcome.order = intent.order;
         outcome.volume = intent.volume;
         outcome.price = intent.price;
         TellResult(to, id, outcome);
         return;
        }
      string fault = id == "" ? "no intent is named" : FaultOf(frame);
      if(fault != "")
        {
         Refuse(to, id, RETCODE_MALFORMED, fault);
         return;
        }
      // An earlier command may have waited long for the broker.
      if(GetTickCount64() - to.ReadTick() > (ulong)frame.Integer("ttl_ms", 0))
        {
         Refuse(to, id, RETCODE_EXPIRED, "waited longer here than it was to live");
         return;
        }
      intent.id = id;
      intent.epoch = epoch;
      intent.retcode = 0;
      intent.deal = 0;
      intent.order = 0;
      intent.volume = 0.0;
      intent.price = 0.0;
      if(!journal.Note(intent))
        {
         Refuse(to, id, RETCODE_NOT_RECORDED, "the intent cannot be recorded");
         return;
        }
      Execute(frame, id, journal, outcome);
      intent.retcode = outcome.retcode;
      intent.deal = outcome.deal;
      intent.order = outcome.order;
      intent.volume = outcome.volume;
      intent.price = outcome.price;
      if(!journal.Note(intent))
         Print("Tidegate: the result of ", id, " could not be recorded");
      TellResult(to, id, outcome);
     }
  };

#endif
