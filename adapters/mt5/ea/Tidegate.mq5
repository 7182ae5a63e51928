// Tidegate: the terminal's side of the link, as an expert advisor. One chart of one terminal an
// account; any symbol. It trades only to close. Installation and inputs: docs/expert-advisor.md.
#property copyright "The Tidegate developers. Apache License 2.0"
#property link      "docs/expert-advisor.md"
#property version   "1.00"
#property description "Reports an account to a Tidegate engine and closes what it is told to close."

#include "Commands.mqh"
#include "Floor.mqh"

input string Engine = "";              // host:port of the engine, several by commas; allow-list it
input string Thumbprints = "";         // thumbprints of its certificate, SHA-1 or SHA-256, by commas
input string TerminalKey = "";         // terminal key, 64 hex digits; or, safer, leave empty and
input string KeyFile = "Tidegate\\terminal.key"; // a file with it, in MQL5\Files
input int TimerMs = 20;                // pause between looks at quotes and at the link, ms
input int SettleMs = 2000;             // at the broker's server so long before lists are believed, ms
input int EngineSilentS = 30;          // the floor is enforced when the engine is silent so long, s
input int DeviationPoints = 50;        // price deviation where a command names none, points
input int FloorDeviationPoints = 500;  // price deviation when the floor closes, points
input long Magic = 7381;               // magic number of closing orders

Link g_link;
Journal g_journal;
Teller g_teller;
Quotes g_quotes;
Commands g_commands;
FailSafe g_floor;
long g_login = 0;
ulong g_connected_tick = 0;
ulong g_beat_tick = 0;
ulong g_deals_tick = 0;
ulong g_awaited_deal = 0;
bool g_report_due = false;
bool g_ready = false;
string g_shown = "";

string KeyText()
  {
   if(TerminalKey != "")
      return TerminalKey;
   int handle = FileOpen(KeyFile, FILE_READ | FILE_TXT | FILE_ANSI);
   if(handle == INVALID_HANDLE)
      return "";
   string text = FileReadString(handle);
   FileClose(handle);
   StringTrimLeft(text);
   StringTrimRight(text);
   return text;
  }

string JournalName()
  {
   string server = AccountInfoString(ACCOUNT_SERVER);
   string name = "";
   for(int i = 0; i < StringLen(server); i++)
     {
      ushort unit = StringGetCharacter(server, i);
      bool plain = (unit >= '0' && unit <= '9') || (unit >= 'A' && unit <= 'Z')
                   || (unit >= 'a' && unit <= 'z') || unit == '-' || unit == '.';
      name += plain ? ShortToString(unit) : "_";
     }
   string login = IntegerToString(AccountInfoInteger(ACCOUNT_LOGIN));
   return "Tidegate\\" + name + "_" + login + ".journal";
  }

// Whether the terminal has been at the broker's server long enough: right after it connects its
// lists may still be empty, or old.
bool IsSettled()
  {
   long login = AccountInfoInteger(ACCOUNT_LOGIN);
   bool other = g_ready && login != g_login;
   if(TerminalInfoInteger(TERMINAL_CONNECTED) == 0 || login == 0 || other)
     {
      g_connected_tick = 0;
      return false;
     }
   if(g_connected_tick == 0)
      g_connected_tick = GetTickCount64();
   return GetTickCount64() - g_connected_tick >= (ulong)SettleMs;
  }

// The end of this account's link: what is kept of it in memory belongs to no other.
void LetGo()
  {
   if(g_ready)
      g_link.Leave();
   g_journal.Close();
   g_ready = false;
   g_connected_tick = 0;
   g_awaited_deal = 0;
   g_report_due = false;
  }

// The journal and the link need to know the account, which a terminal may not yet when it starts,
// and which a person may change under a running expert.
bool GetReady()
  {
   long login = AccountInfoInteger(ACCOUNT_LOGIN);
   if(g_ready && login != 0 && login != g_login)
      LetGo();
   if(g_ready)
      return true;
   if(!IsSettled())
      return false;
   if(!g_journal.Open(JournalName()))
     {
      Print("Tidegate: ", JournalName(), " cannot be opened: is the expert on another chart too?");
      ExpertRemove();
      return false;
     }
   string wrong = g_link.Start(Engine, Thumbprints, KeyText());
   if(wrong != "")
     {
      Print("Tidegate: ", wrong);
      g_journal.Close();
      ExpertRemove();
      return false;
     }
   g_link.SetEpochSeen(g_journal.EpochSeen());
   g_teller.Start(g_journal);
   g_commands.Start(Magic, DeviationPoints);
   g_floor.Start(EngineSilentS, FloorDeviationPoints, Magic);
   g_login = login;
   g_ready = true;
   return true;
  }

void Show()
  {
   string text = "Tidegate: " + g_link.State();
   if(g_journal.Halted())
      text += "\nHALTED: no new positions on this account";
   if(g_floor.IsClosing())
      text += "\nFLOOR: the engine is silent, closing everything";
   if(text == g_shown)
      return;
   g_shown = text;
   Comment(text);
  }

// What changed of positions and deals since the last time.
void TellChanges()
  {
   if(!g_link.IsUp() || g_report_due)
      return;
   g_quotes.TellNew(g_link);  // what happened on a quote is told after it
   // Deals first: a position that is gone is then explained already.
   if(g_teller.ExpectsDeals())
     {
      g_teller.TellDeals(g_link, g_awaited_deal);
      if(!g_teller.ExpectsDeals())
         g_awaited_deal = 0;
     }
   g_teller.TellPositions(g_link);
  }

void Report(const bool settled, const bool asked)
  {
   string wanted[];
   g_quotes.Wanted(wanted);
   g_teller.TellReport(g_link, g_journal, wanted, settled, asked);
   g_report_due = false;
   g_beat_tick = 0;
  }

void Beat()
  {
   ulong now = GetTickCount64();
   if(!g_link.IsUp() || g_report_due || now - g_beat_tick < (ulong)g_commands.HeartbeatMs())
      return;
   g_beat_tick = now;
   // A transaction event that never came is not waited for longer than this.
   if(now - g_deals_tick >= 10000)
     {
      g_deals_tick = now;
      g_teller.ExpectDeals();
     }
   TellChanges();
   string wanted[];
   g_quotes.Wanted(wanted);
   if(g_teller.HasNewTerms(wanted))
     {
      Report(true, false);
      g_beat_tick = now;
     }
   g_teller.TellBeat(g_link);
   g_journal.SetDealsMsc(g_link.SignedDealMsc());
  }

// Everything there is to do, from the timer.
void Pump()
  {
   bool settled = IsSettled();
   if(!GetReady())
      return;
   g_link.Run();
   JsonObject frame;
   LinkEvent what = g_link.Next(frame, g_journal);
   while(what != LINK_NOTHING)
     {
      if(what == LINK_WELCOMED)
        {
         string symbols[];
         frame.Texts("symbols", symbols);
         g_quotes.Want(symbols);
         g_commands.SetHeartbeatMs(frame.Integer("heartbeat_ms", 1000));
         g_report_due = true;
         g_teller.ExpectDeals();
        }
      else
        {
         g_commands.Do(frame, g_link, g_journal, g_quotes);
         g_report_due = g_commands.TakeReportAsked() || g_report_due;
         if(settled)
           {
            TellChanges();
            Beat();
           }
        }
      what = g_link.Next(frame, g_journal);
     }
   g_floor.Check(g_link, g_journal, settled);
   // A terminal that is not at the broker's server knows nothing: it says nothing, and the engine
   // takes the silence for what it is.
   if(settled && g_link.IsUp())
     {
      if(g_report_due)
         Report(settled, true);
      g_quotes.TellNew(g_link);
      Beat();
     }
   Show();
  }

int OnInit()
  {
   MathSrand((int)(GetTickCount64() & 0x7FFFFFFF));
   if(TimerMs < 1 || TimerMs > 1000 || EngineSilentS < 5 || SettleMs < 0)
     {
      Print("Tidegate: TimerMs 1 to 1000, EngineSilentS at least 5, SettleMs at least 0");
      return INIT_PARAMETERS_INCORRECT;
     }
   // A change of the chart or of the inputs starts an expert anew with all its variables as they
   // were: GetReady has to set every one.
   g_shown = "";
   if(!EventSetMillisecondTimer(TimerMs))
      return INIT_FAILED;
   return INIT_SUCCEEDED;
  }

void OnDeinit(const int reason)
  {
   EventKillTimer();
   LetGo();
   Comment("");
  }

void OnTimer()
  {
   Pump();
  }

void OnTick()
  {
   if(g_ready && g_link.IsUp() && !g_report_due)
      g_quotes.TellNewOf(g_link, _Symbol);
  }

void OnTradeTransaction(const MqlTradeTransaction &trans, const MqlTradeRequest &request,
                        const MqlTradeResult &result)
  {
   if(!g_ready)
      return;
   if(trans.type == TRADE_TRANSACTION_DEAL_ADD)
     {
      g_awaited_deal = trans.deal;
      g_teller.ExpectDeals();
     }
   if(IsSettled())
      TellChanges();
  }
