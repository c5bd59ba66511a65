package floor
import ("testing";"fmt";"vidan/internal/pgtest";"github.com/jackc/pgx/v5")
func TestZZ(t *testing.T){
 for _,n:=range []int{4400,20000,100000}{ for _,an:=range []bool{false,true}{
 db:=pgtest.New(t)
 s:=spec(t,db); s.Children=n; s.Grants=32
 f,err:=Open(t.Context(),s); if err!=nil{t.Fatal(err)}
 own:=db.Owner(t)
 if an { if _,err:=own.Exec(t.Context(),"analyze identifiers, vaults, vault_keys, people");err!=nil{t.Fatal(err)} }
 conn,_:=own.Acquire(t.Context())
 conn.Exec(t.Context(),"set plan_cache_mode=force_generic_plan")
 for _,st:=range []string{"person.sqlFind","seal.sqlVaultKeys","person.sqlNumber","person.sqlPerson"}{
 types:=map[string]string{"person.sqlFind":"(int[],bytea[])","seal.sqlVaultKeys":"(uuid[])","person.sqlNumber":"(uuid)","person.sqlPerson":"(uuid)"}[st]
 args:=map[string]string{"person.sqlFind":"('{1,1,1}','{a,b,c}')","seal.sqlVaultKeys":"('{0f0e0d0c-0b0a-4908-8706-050403020100}')","person.sqlNumber":"('0f0e0d0c-0b0a-4908-8706-050403020100')","person.sqlPerson":"('0f0e0d0c-0b0a-4908-8706-050403020100')"}[st]
 conn.Exec(t.Context(),"deallocate all")
 if _,err:=conn.Conn().PgConn().Exec(t.Context(),"prepare q"+types+" as "+f.statements[st]).ReadAll();err!=nil{t.Fatal(err)}
 rows,err:=conn.Query(t.Context(),"explain (analyze, costs off, timing off) execute q"+args,pgx.QueryExecModeSimpleProtocol); if err!=nil{t.Fatal(err)}
 l,err:=pgx.CollectRows(rows,pgx.RowTo[string]); if err!=nil{t.Fatal(err)}
 fmt.Println("=====",n,an,st); for _,x:=range l{fmt.Println(x)}
 }
 conn.Release(); f.Close()
 }}
}
